"""Baselines: their published sizes, the networks that they are, and what training and deployment need of them."""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import segmentation

from lbt.baselines import build_baseline
from lbt.baselines.fast_scnn import Bottleneck, FastSCNN, Pyramid, region_means, scale_channels
from lbt.baselines.fasterseg_released import released_genotype
from lbt.config import SpaceSettings
from lbt.config.baselines import BASELINES
from lbt.config.methods import METHODS
from lbt.errors import LbtError
from lbt.latency.deployment import Deployment
from lbt.network.derivation_rule import derive_genotype
from lbt.network.size import count_macs, count_parameters
from lbt.space.architecture import architecture_from_json
from lbt.space.padding import find_stride

ROOT = Path(__file__).resolve().parents[2]
STRIDES = {
    "deeplabv3_mobilenetv3": (16, 8),
    "fast_scnn": (8, 8, 32),
    "fasterseg_released": (8, 16, 32),
    "lraspp_mobilenetv3": (8,),
}
TORCHVISION = {
    "deeplabv3_mobilenetv3": ("deeplabv3_mobilenet_v3_large", "DeepLabV3_MobileNet_V3_Large_Weights"),
    "lraspp_mobilenetv3": ("lraspp_mobilenet_v3_large", "LRASPP_MobileNet_V3_Large_Weights"),
}


def build(name, classes=5, base_width=4):
    torch.manual_seed(0)
    return build_baseline(name, classes, base_width)


def test_each_baseline_has_a_module_a_row_and_a_name_that_no_method_has():
    modules = {path.stem for path in (ROOT / "lbt" / "baselines").glob("*.py")}
    assert modules - {"__init__", "baseline", "torchvision_network"} == set(BASELINES) == set(STRIDES)
    assert not set(BASELINES) & set(METHODS)


def test_an_unknown_baseline_is_named():
    with pytest.raises(LbtError, match=r"'enet' is no baseline .* it has deeplabv3_mobilenetv3, fast_scnn"):
        build_baseline("enet", 5)


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("size", [(64, 96), (61, 97)])
def test_heads_have_their_strides_and_each_weight_learns(name, size):
    network = build(name).train()
    outputs = network.heads(torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0)))
    assert tuple(find_stride(tuple(logits.shape[2:]), size) for logits in outputs) == STRIDES[name]
    assert all(logits.shape[:2] == (2, 5) for logits in outputs)
    sum(logits.square().mean() for logits in outputs).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    with torch.no_grad():
        assert network.eval()(torch.zeros(1, 3, *size)).shape == (1, 5, *size)


@pytest.mark.parametrize("name", BASELINES)
def test_the_first_head_is_the_prediction_and_needs_no_other(name):
    network, images = build(name).eval(), torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        main = network.heads(images)[0]
        stride = STRIDES[name][0]
        expected = F.interpolate(main, scale_factor=stride, mode="bilinear", align_corners=False)
        network.auxiliary.clear()
        torch.testing.assert_close(network(images), expected)
        assert len(network.heads(images)) == 1


@pytest.mark.parametrize("name", BASELINES)
def test_no_baseline_draws_random_numbers_in_training(name):
    network, images = build(name).train(), torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(network.heads(images)[0], network.heads(images)[0])


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvisions_networks_compute_what_torchvision_does(name):
    builder, _ = TORCHVISION[name]
    network = build(name).eval()
    other = getattr(segmentation, builder)(
        weights=None, weights_backbone=None, num_classes=5, **({"aux_loss": True} if network.auxiliary else {})
    ).eval()
    renamed = {key.replace("auxiliary.aux", "aux_classifier"): value for key, value in network.state_dict().items()}
    other.load_state_dict(renamed)  # strict, so the weights are the same ones
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(network(images), other(images)["out"])


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvisions_networks_have_the_size_that_it_publishes(name):
    published = getattr(segmentation, TORCHVISION[name][1]).DEFAULT.meta["num_params"]
    network = build_baseline(name, 21)
    assert sum(p.numel() for p in network.parameters()) == published
    assert count_parameters(network) == published - sum(p.numel() for p in network.auxiliary.parameters())


def test_the_released_network_is_what_the_rule_derives_and_has_its_published_size():
    space = SpaceSettings(branches="8+32")
    released = json.loads((ROOT / "tests" / "network" / "fasterseg_arch_1.json").read_text())
    logits = {f"{kind}.{s}": rows for kind in ("alpha", "beta", "gamma") for s, rows in released[kind].items()}
    architecture = architecture_from_json(logits, space)
    assert released_genotype() == derive_genotype(architecture, space, (32, 8), rule="released")
    network = build_baseline("fasterseg_released", 19)
    assert count_parameters(network) == 2_656_819
    assert count_macs(network, (1024, 2048)) / 1e9 == pytest.approx(28.76, abs=0.01)


def test_fast_scnn_has_its_published_size():
    """1.11 M parameters with the 19 classes of Cityscapes."""
    network = build_baseline("fast_scnn", 19)
    assert count_parameters(network) / 1e6 == pytest.approx(1.11, rel=0.03)


def test_fast_scnn_has_the_layers_of_table_1():
    """Channels and strides of the blocks in their order, for the image of 1024 x 2048 pixels."""
    with torch.device("meta"):
        network, seen = FastSCNN(19).eval(), []
        blocks = [network.downsample[i] for i in (2, 7, 12)] + list(network.context)
        for block in [*blocks, network.pyramid, network.fusion, *network.classifier[4::5], network.classifier[-1]]:
            block.register_forward_hook(lambda module, _, out: seen.append(tuple(out.shape[1:])))
        network(torch.zeros(1, 3, 1024, 2048))
    assert seen == [
        *[(32, 512, 1024), (48, 256, 512), (64, 128, 256)],
        *[(64, 64, 128)] * 3 + [(96, 32, 64)] * 3 + [(128, 32, 64)] * 3,
        *[(128, 32, 64), (128, 128, 256), (128, 128, 256), (128, 128, 256), (19, 128, 256)],
    ]
    bottlenecks = [module for module in network.context if isinstance(module, Bottleneck)]
    assert [b.adds for b in bottlenecks] == [False, True, True] * 3
    assert all(b.layers[0].out_channels == 6 * b.layers[0].in_channels for b in bottlenecks)


@pytest.mark.parametrize(("height", "width", "side"), [(12, 15, 6), (7, 5, 3), (4, 4, 6), (32, 64, 2), (1, 9, 1)])
def test_region_means_are_those_of_adaptive_average_pooling(height, width, side):
    x = torch.randn(2, 3, height, width, dtype=torch.float64)
    torch.testing.assert_close(region_means(x, side), F.adaptive_avg_pool2d(x, side))


def test_the_pyramid_averages_1_2_3_and_6_regions_a_side():
    """As PSPNet's pooling, by PyTorch's own functions."""
    pyramid, x = Pyramid(8).eval(), torch.randn(2, 8, 9, 12)
    parts = [
        F.interpolate(branch(F.adaptive_avg_pool2d(x, side)), (9, 12), mode="bilinear")
        for branch, side in zip(pyramid.branches, (1, 2, 3, 6), strict=True)
    ]
    torch.testing.assert_close(pyramid(x), pyramid.merge(torch.cat([x, *parts], dim=1)))


@pytest.mark.parametrize("base_width", [4, 8, 12])
def test_fast_scnn_grows_with_the_released_network(base_width):
    """At each width it needs between 40 and 80 percent of the multiply-accumulates, which cost it more time each."""
    pair = (build_baseline(name, 11, base_width) for name in ("fast_scnn", "fasterseg_released"))
    fast, released = (count_macs(network, (360, 480)) for network in pair)
    assert 0.4 < fast / released < 0.8


def test_channels_are_multiples_of_8():
    assert [scale_channels(count, 0.5) for count in (32, 48, 64, 96, 128)] == [16, 24, 32, 48, 64]
    assert [scale_channels(32, width) for width in (0.01, 0.6, 0.7, 1.5)] == [8, 16, 24, 48]


@pytest.mark.parametrize("backend", ["eager", "onnxruntime"])
@pytest.mark.parametrize("name", BASELINES)
def test_each_baseline_is_deployed_without_another_result(name, backend):
    network, images = build(name), torch.rand(1, 3, 61, 97)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.uniform_(0.5, 2.0)
            module.running_mean.normal_(0, 0.1)
    prepared = Deployment(backend, "float32", torch.device("cpu"), 1).prepare(network.eval(), (images,))
    found = prepared.forward(*prepared.inputs)
    with torch.no_grad():
        expected = network(images)
    difference = torch.as_tensor(found[0] if backend == "onnxruntime" else found) - expected
    assert difference.abs().max() < 1e-4 * expected.abs().max()
