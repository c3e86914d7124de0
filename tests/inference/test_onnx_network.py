"""ONNX files in use: the labels of PyTorch, images of any size, 8-bit and 16-bit files, and files that are refused."""

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from random_network import CLASSES, COLORS, write_network

import lbt
from lbt.__main__ import main
from lbt.errors import LbtError
from lbt.inference.onnx_export import export_network
from lbt.inference.onnx_network import OnnxNetwork
from lbt.inference.onnx_quantize import export_int8

SIZE = (64, 96)


def picture(height, width, seed=0):
    """Smooth noise (H, W, 3) uint8."""
    noise = np.random.default_rng(seed).normal(size=(height, width, 3)).cumsum(0).cumsum(1)
    low, high = noise.min(), noise.max()
    return ((noise - low) / (high - low) * 255).astype(np.uint8)


def tensor(pixels):
    return torch.from_numpy(pixels).permute(2, 0, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network, and its files for one size and for any size."""
    folder = tmp_path_factory.mktemp("onnx")
    network = lbt.load_network(write_network(folder / "network.pt"))
    export_network(network, folder / "fixed.onnx", SIZE)
    export_network(network, folder / "any.onnx", SIZE, dynamic=True)
    return folder


def test_labels_are_those_of_pytorch(folder):
    network, found = lbt.load_network(folder / "network.pt"), OnnxNetwork(folder / "any.onnx", "auto", 1)
    assert (found.classes, found.colors, found.precision) == (tuple(CLASSES), COLORS, "float32")
    assert found.input_size is None and found.provider == "CPUExecutionProvider"
    for size in (SIZE, (45, 71)):
        image = tensor(picture(*size))
        labels = found(image)
        assert labels.shape == size and len(labels.unique()) > 2
        assert (labels == network(image)).float().mean() > 0.999
        (of_graph,) = found.session.run(["labels"], {"images": image[None].numpy()})
        assert (labels.numpy() == of_graph[0]).mean() > 0.999


def test_predict_writes_the_label_maps_of_the_network(folder, tmp_path, capsys):
    images = tmp_path / "images"
    images.mkdir()
    for seed in (0, 1):
        Image.fromarray(picture(*SIZE, seed)).save(images / f"{seed}.png")
    for name in ("network.pt", "fixed.onnx"):
        assert main(["predict", str(folder / name), str(images), "--output", str(tmp_path / name)]) == 0
    for seed in (0, 1):
        maps = [
            np.array(Image.open(tmp_path / name / "labels" / f"{seed}.png")) for name in ("network.pt", "fixed.onnx")
        ]
        assert (maps[0] == maps[1]).mean() > 0.999
    legends = [(tmp_path / name / "classes.csv").read_text() for name in ("network.pt", "fixed.onnx")]
    assert legends[0] == legends[1]
    assert main(["predict", str(folder / "fixed.onnx"), str(images), "--fast", "--output", str(tmp_path / "f")]) == 1
    assert "--fast: is for networks of a run" in capsys.readouterr().err


def test_an_image_of_another_size_and_a_device_without_provider_are_refused(folder):
    network = OnnxNetwork(folder / "fixed.onnx", "cpu", 1)
    assert network.input_size == SIZE
    with pytest.raises(LbtError, match=r"takes images of \(64, 96\) .* only, this one has 32 x 40\. .* --dynamic"):
        network(tensor(picture(32, 40)))
    with pytest.raises(LbtError, match="--device: ONNX Runtime cannot use cuda here"):
        OnnxNetwork(folder / "fixed.onnx", "cuda", 1)


def test_float16_and_int8_files_give_nearly_the_same_labels(folder, tmp_path):
    network = lbt.load_network(folder / "network.pt")
    (agreement,) = export_network(network, tmp_path / "half.onnx", SIZE, precision="float16")
    assert 1e-5 < agreement.difference < 2e-2 and agreement.equal > 0.98
    images = [picture(*SIZE, seed) for seed in range(4)]
    equal = export_int8(network, tmp_path / "int8.onnx", SIZE, images)
    assert 0.8 < equal < 1
    for name, precision in (("half.onnx", "float16"), ("int8.onnx", "int8")):
        found = OnnxNetwork(tmp_path / name, "cpu", 1)
        assert (found.precision, found.classes) == (precision, tuple(CLASSES))
        assert network.scores and found.session.get_modelmeta().custom_metadata_map["scores"] == "null"
        image = tensor(picture(*SIZE, 9))
        assert (found(image) == network(image)).float().mean() > (0.98 if precision == "float16" else 0.8)
        (of_graph,) = found.session.run(["labels"], {"images": image[None].numpy()})
        assert (found(image).numpy() == of_graph[0]).mean() > 0.999
    sizes = [(file).stat().st_size for file in (folder / "fixed.onnx", tmp_path / "half.onnx", tmp_path / "int8.onnx")]
    assert sizes[1] < 0.7 * sizes[0] and sizes[2] < sizes[0]
    kinds = {node.op_type for node in onnx.load(tmp_path / "int8.onnx").graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds


def test_int8_and_scores_need_a_run(folder, tmp_path, capsys):
    for words in (["--precision", "int8"], ["--score"]):
        assert main(["export", str(folder / "network.pt"), str(tmp_path / "a.onnx"), *words]) == 1
        assert "needs images. Add --run RUN" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def no_metadata(model):
    del model.metadata_props[:]


def other_input(model):
    model.graph.input[0].name = "picture"
    model.graph.node[0].input[0] = "picture"


def one_colour(model):
    for entry in model.metadata_props:
        if entry.key == "colors":
            entry.value = "[[1, 2, 3]]"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (no_metadata, "it lacks the metadata 'classes'"),
        (other_input, "its input is not `images`"),
        (one_colour, "it has 5 classes and 1 colours"),
    ],
)
def test_files_of_other_programs_are_refused(folder, tmp_path, spoil, message):
    model = onnx.load(folder / "fixed.onnx")
    spoil(model)
    onnx.save(model, tmp_path / "bad.onnx")
    with pytest.raises(LbtError, match=rf"bad\.onnx: was not written by `lbt export` \({message}"):
        OnnxNetwork(tmp_path / "bad.onnx", "cpu", 1)


@pytest.mark.parametrize(
    ("channels", "stride", "kind", "message"),
    [
        (3, 1, "FLOAT", r"gives coarse_logits \(1, 3, 64, 96\) float32 \(one float32 logit for each of its 2 classes"),
        (2, 1, "DOUBLE", r"gives coarse_logits \(1, 2, 64, 96\) float64 \(one float32 logit"),
        (2, 3, "FLOAT", r"gives coarse_logits \(1, 2, 22, 32\) float32 \(logits of 22 x 32 have no stride"),
        (4, 1, "FLOAT", "cannot compute the labels of an image"),
    ],
)
def test_logits_that_are_not_of_its_classes_are_refused(tmp_path, channels, stride, kind, message):
    """A graph whose logits are channels of the photograph at every so many pixels."""
    node, number = onnx.helper.make_node, getattr(onnx.TensorProto, kind)
    shape = [1, 4 if channels == 4 else 3, *SIZE]
    value = onnx.helper.make_tensor_value_info
    nodes = [
        node("Cast", ["images"], ["numbers"], to=number),
        node("Slice", ["numbers", "from", "to", "axes", "steps"], ["coarse_logits"]),
        node("Identity", ["coarse_logits"], ["logits"]),
        node("ArgMax", ["logits"], ["row"], axis=1, keepdims=0),
        node("Cast", ["row"], ["labels"], to=onnx.TensorProto.UINT8),
    ]
    parts = {"from": [0, 0, 0], "to": [channels, *SIZE], "axes": [1, 2, 3], "steps": [1, stride, stride]}
    constants = [onnx.numpy_helper.from_array(np.array(values), name) for name, values in parts.items()]
    results = [value(name, number, None) for name in ("logits", "coarse_logits")]
    results.append(value("labels", onnx.TensorProto.UINT8, None))
    images = value("images", onnx.TensorProto.UINT8, shape)
    graph = onnx.helper.make_graph(nodes, "stranger", [images], results, constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    onnx.helper.set_model_props(model, {"classes": '["a", "b"]', "colors": "[[1, 2, 3], [4, 5, 6]]"})
    onnx.save(model, tmp_path / "odd.onnx")
    with pytest.raises(LbtError, match=rf"odd\.onnx: {message}"):
        OnnxNetwork(tmp_path / "odd.onnx", "cpu", 1)(tensor(picture(*SIZE)))


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"not a network")
    with pytest.raises(LbtError, match=r"bad\.onnx: cannot be read by ONNX Runtime"):
        OnnxNetwork(tmp_path / "bad.onnx", "cpu", 1)
