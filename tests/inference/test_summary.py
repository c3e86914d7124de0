"""The summary of a network says what its file holds, in ten lines, and never more than it knows."""

from random_network import USE, write_network

import lbt
from lbt.inference.summary import describe_profile, number

BUNDLED = """\
SegmentationNetwork
  found by    fasterseg, seed 0
  trained on  CamVid, 367 training images
  classes     11: sky, building, pole, road, pavement, tree, sign symbol, fence, car, pedestrian, bicyclist
  structure   8 layers, ends at 1/16 and 1/32 of the image's size
  parameters  0.511 M
  MACs        0.316 G for 480 x 360 (width x height)
  mIoU        56.0 % on the validation images, pixel accuracy 86.4 %
  latency     23.5 ms (42.6 FPS), 95 % of the passes within 29.2 ms, images of 480 x 360, Intel(R) Xeon(R) Processor \
(AVX512), 1 thread, eager, float32, torch 2.14.1+cu130
  input       RGB images of any size; a call gives the class index of each pixel"""


def test_the_network_of_the_package():
    network = lbt.load_network()
    assert network.summary() == repr(network) == str(network) == BUNDLED


def test_what_is_unknown_is_said_to_be(tmp_path):
    network = lbt.load_network(write_network(tmp_path / "a.pt", use={}), trainable=True)
    text = network.summary()
    assert len(text.splitlines()) <= 10
    count = sum(parameter.numel() for parameter in network.network.parameters())
    assert f"  parameters  {count / 1e6:.3f} M\n" in text
    assert all(f"\n  {name:<12}unknown" in text for name in ("trained on", "MACs", "mIoU", "latency"))


def test_values_of_a_stranger_are_shown_or_left_out(tmp_path):
    profile = USE["profile"] | {
        "median_ms": 5.0,
        "p95_ms": "7",
        "macs": -1,
        "parameters": True,
        "key": {"device": "a\x1b[2J\n", "threads": 2, "software": ["x"]},
    }
    use = USE | {"profile": profile, "scores": {"miou": [1]}, "trained_on": "my data"}
    text = lbt.load_network(write_network(tmp_path / "a.pt", use=use)).summary()
    assert len(text.splitlines()) == 10 and "\x1b" not in text
    assert r"  latency     5.0 ms (200.0 FPS), images of 99 x 70, a\x1b[2J\n, 2 threads" in text.splitlines()
    assert "  MACs        unknown\n" in text and "  mIoU        unknown\n" in text and "trained on  my data\n" in text
    assert describe_profile({"median_ms": 0}, None) == describe_profile(None, None) == ""
    wrong = {"a": 10**400, "b": float("inf"), "c": float("nan"), "d": "1", "e": None, "f": -0.1}
    assert all(number(wrong, name) is None for name in (*wrong, "none"))
