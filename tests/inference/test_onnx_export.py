"""`lbt export`: ONNX Runtime gives the logits and labels of PyTorch, or no file is written."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from random_network import CLASSES, COLORS, USE, random_network, write_network

import lbt
from lbt.__main__ import main
from lbt.errors import LbtError
from lbt.inference import onnx_export
from lbt.network.genotype import Branch, Cell, Genotype
from lbt.space.operators import FactorizedReduce, Zoom

# Every operator, with stride 1 and 2, down to 1/32, at which the images below have an odd number of rows.
SHARED = (Cell(0, 8, "conv", 1, 12), Cell(1, 8, "skip", 2, 12), Cell(2, 16, "conv_2x", 1, 6))
GENOTYPE = Genotype(
    (
        Branch(32, (*SHARED, Cell(3, 16, "zoom", 2, 12), Cell(4, 32, "skip", 1, 12), Cell(5, 32, "zoom_2x", 1, 8))),
        Branch(16, (*SHARED, Cell(5, 16, "zoom", 1, 8))),
    )
)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    original = random_network(genotype=GENOTYPE)
    kinds = [type(module) for module in original.modules()]
    assert FactorizedReduce in kinds and kinds.count(Zoom) == 3
    return write_network(tmp_path_factory.mktemp("network") / "network.pt", original)


@pytest.fixture(scope="module")
def exported(network):
    """A file of one size, a file for any size, and what PyTorch's exporter returned for the latter."""
    fixed, free = (network.with_name(name) for name in ("fixed.onnx", "free.onnx"))
    programs, export = [], torch.onnx.export

    def remember(*words, **options):
        programs.append(export(*words, **options))
        return programs[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.onnx, "export", remember)
        assert main(["export", str(network), str(fixed)]) == 0
        assert main(["export", str(network), str(free), "--size", "64", "101", "--dynamic"]) == 0
    return fixed, free, programs[-1]


def session_of(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def images_of(batch, height, width):
    noise = np.random.default_rng(height).normal(size=(batch, 3, height, width)).cumsum(2).cumsum(3)
    return np.clip(128 + 3 * noise, 0, 255).astype(np.uint8)


def same(session, network, images):
    logits, labels = session.run(["logits", "labels"], {"images": images})
    expected = lbt.load_network(network).logits(torch.from_numpy(images)).detach().numpy()
    assert logits.shape == expected.shape and np.abs(logits - expected).max() < 1e-4 * max(1, np.abs(expected).max())
    assert labels.dtype == np.uint8 and len(np.unique(labels)) > 2
    assert (labels == lbt.load_network(network)(torch.from_numpy(images)).numpy()).mean() > 0.999


def test_a_file_of_one_size_has_the_size_of_the_network(network, exported):
    session = session_of(exported[0])
    assert (
        session.get_inputs()[0].shape == [1, 3, *USE["input_size"]] and session.get_inputs()[0].type == "tensor(uint8)"
    )
    same(session, network, images_of(1, *USE["input_size"]))
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument):
        session.run(None, {"images": images_of(1, 64, 64)})


@pytest.mark.parametrize("shape", [(1, 64, 101), (1, 70, 99), (3, 32, 33), (2, 129, 95)])
def test_a_file_for_any_size_takes_any_batch_and_size(network, exported, shape):
    session = session_of(exported[1])
    assert session.get_inputs()[0].shape == ["batch", 3, "height", "width"]
    same(session, network, images_of(*shape))


def test_metadata_give_the_meaning_of_the_labels(exported):
    for path in exported[:2]:
        onnx.checker.check_model(onnx.load(path))
        found = session_of(path).get_modelmeta().custom_metadata_map
        assert json.loads(found["classes"]) == list(CLASSES)
        assert json.loads(found["colors"]) == [list(color) for color in COLORS]
        assert (json.loads(found["mean"]), json.loads(found["std"])) == ([0.4, 0.5, 0.3], [0.2, 0.3, 0.25])
        assert json.loads(found["scores"]) == USE["scores"] and found["settings_digest"] == USE["settings_digest"]


def test_a_file_that_differs_is_not_written(network, tmp_path, capsys, monkeypatch):
    path, forward = tmp_path / "out.onnx", onnx_export._Graph.forward
    path.write_text("an older file")

    def wrong(graph, images):
        logits, *others = forward(graph, images)
        return logits * 1.001, *others

    monkeypatch.setattr(onnx_export._Graph, "forward", wrong)
    assert main(["export", str(network), str(path), "--size", "32", "32"]) == 1
    assert (
        "was not written, because ONNX Runtime and PyTorch differ by 0.001 of the largest logit at 32"
        in capsys.readouterr().err
    )
    assert [file.name for file in tmp_path.iterdir()] == ["out.onnx"] and path.read_text() == "an older file"


def test_a_file_of_another_kind_is_not_replaced(network, tmp_path, capsys):
    (tmp_path / "older").write_text("a file")
    cases = {
        "net.pt": "net.pt: does not end in .onnx. Name the file to write, such as net.onnx",
        "older": "older: exists",
    }
    for name, message in cases.items():
        assert main(["export", str(network), str(tmp_path / name), "--size", "32", "32"]) == 1
        assert message in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["older"] and (tmp_path / "older").read_text() == "a file"


@pytest.mark.parametrize("differences", [(2e-4, 0.0), (0.0, 2e-4), (float("nan"), 0.0), (0.0, float("nan"))])
def test_each_size_of_a_file_for_any_size_must_agree(network, exported, tmp_path, monkeypatch, differences):
    found = iter(differences)

    def compare(network, session, shape):
        return onnx_export.Agreement(shape, next(found), 1.0)

    monkeypatch.setattr(onnx_export, "compare", compare)
    monkeypatch.setattr(torch.onnx, "export", lambda *words, **options: exported[2])
    size = (32, 40) if differences[0] else onnx_export.OTHER
    with pytest.raises(LbtError, match=rf"differ by (0\.0002|nan) .* at {size[0]} x {size[1]}, above 0\.0001"):
        onnx_export.export_network(lbt.load_network(network), tmp_path / "out.onnx", (32, 40), dynamic=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_difference_is_a_share_of_the_largest_logit(network, exported, scale):
    """Even if all logits are small, for which an absolute difference of 1e-4 would be large."""
    loaded, session = lbt.load_network(network), session_of(exported[0])
    logits = loaded.logits
    found = onnx_export.compare(loaded, session, (1, *USE["input_size"])).difference

    class Scaled:
        run = staticmethod(lambda *words: [scale * part for part in session.run(*words)])

    loaded.logits = lambda images: 1.001 * scale * logits(images)
    assert onnx_export.compare(loaded, Scaled(), (1, *USE["input_size"])).difference == pytest.approx(1e-3, rel=0.1)
    assert found < onnx_export.TOLERANCE


def test_command_and_help_name_that_share(network, tmp_path, capsys):
    assert main(["export", str(network), str(tmp_path / "out.onnx"), "--size", "32", "32"]) == 0
    assert " of the largest logit, equal labels" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    limit = f"{onnx_export.TOLERANCE:.0e}".replace("e-04", "e-4")
    assert f"by more than {limit} of the largest logit" in " ".join(capsys.readouterr().out.split())


def test_the_network_itself_is_not_replaced_and_a_link_in_a_circle_is(network, tmp_path, capsys, monkeypatch):
    def write(network, path, size, dynamic, precision):
        path.unlink()
        path.write_bytes(b"x")
        return []

    monkeypatch.setattr(onnx_export, "export_network", write)
    file = write_network(tmp_path / "network.pt")
    (tmp_path / "same.onnx").symlink_to(file)
    (tmp_path / "circle.onnx").symlink_to("circle.onnx")
    assert main(["export", str(file), str(tmp_path / "same.onnx")]) == 1
    assert "same.onnx: is the network itself" in capsys.readouterr().err
    assert main(["export", str(file), str(tmp_path / "circle.onnx")]) == 0


@pytest.mark.parametrize(("precision", "name"), [("float32", "net.onnx"), ("float16", "net-float16.onnx")])
def test_without_a_second_file_it_is_written_beside_the_network(tmp_path, monkeypatch, precision, name):
    def write(network, path, size, dynamic, precision):
        path.write_bytes(precision.encode())
        return []

    monkeypatch.setattr(onnx_export, "export_network", write)
    file = write_network(tmp_path / "net.pt")
    assert main(["export", str(file), "--precision", precision]) == 0
    assert (tmp_path / name).read_text() == precision and len(list(tmp_path.iterdir())) == 2
    assert main(["export", str(tmp_path / "none.pt")]) == main(["export", str(tmp_path)]) == main(["export", "."]) == 1


def test_wrong_arguments_are_reported(network, exported, tmp_path, capsys):
    unfinished = write_network(tmp_path / "unfinished.pt", use={})
    (tmp_path / "file").write_text("no folder")
    out = tmp_path / "out.onnx"
    cases = {
        (tmp_path / "none.pt", out): "none.pt: is missing",
        (exported[0], out): "fixed.onnx: is damaged or no PyTorch file",
        (unfinished, out): "unfinished.pt: has no input size",
        (network, network): "is the network itself",
        (
            tmp_path,
            network,
        ): "is a folder; NETWORK comes first, such as results/default/best/network.pt, then the",
        (network, tmp_path): f"{tmp_path}: is a folder. Name the file to write, such as {tmp_path}/network.onnx",
        (network, out, "--size", "31", "64"): "--size: is 31 64",
        (network, out, "--size", "64", "16385"): "--size: is 64 16385; write a height and a width from 32 to 16384",
        (network, out, "--precision", "int8", "--run", tmp_path): "or the folder of a run that has this file",
        (network, tmp_path / "file" / "out.onnx", "--size", "32", "32"): "could not be written",
    }
    for words, message in cases.items():
        assert main(["export", *map(str, words)]) == 1
        assert message in capsys.readouterr().err
    assert not out.exists() and lbt.load_network(network).classes
