"""`lbt bench`: speed-ups are those of the clock, and the command prints a row for each form of each network."""

import pandas as pd
import pytest
from random_network import write_network

import lbt
from lbt.__main__ import main
from lbt.config.baselines import BASELINES
from lbt.evaluation import bench
from lbt.evaluation.bench import PLAIN, Entry, list_forms, score_precisions, time_entries
from lbt.inference.onnx_export import export_network
from lbt.latency import deployment, timing

SIZE = ("64", "96")


def test_the_speed_up_is_the_median_of_ratios_within_a_turn(monkeypatch):
    clock = {"now": 0.0}
    monkeypatch.setattr(timing, "perf_counter", lambda: clock["now"])

    def takes(*milliseconds):
        waits = iter(milliseconds)
        return lambda: clock.__setitem__("now", clock["now"] + next(waits) / 1e3)

    def entry(backend, *milliseconds):
        return Entry("a", backend, "float32", takes(*milliseconds), (), None, None)

    # the second turn is ten times slower for all
    rows = time_entries([entry(PLAIN, 4, 40, 4), entry("eager", 2, 20, 1), entry("onnxruntime", 8, 80, 8)], 3, 1)
    assert [row["median_ms"] for row in rows] == pytest.approx([4, 2, 8])
    assert [row["speedup"] for row in rows] == pytest.approx([1, 2, 0.5])
    assert [row["fps"] for row in rows] == pytest.approx([250, 500, 125])
    alone = Entry("file", "onnxruntime", "int8", takes(1, 1, 1), (), 0.5, 7)
    assert time_entries([alone], 3, 1)[0] | {"median_ms": 0, "fps": 0} == {
        "network": "file",
        "backend": "onnxruntime",
        "precision": "int8",
        "median_ms": 0,
        "fps": 0,
        "speedup": None,
        "memory_bytes": 7,
        "miou": 0.5,
    }


def test_forms_are_those_of_this_machine(monkeypatch):
    cpu = bench.torch.device("cpu")
    for present, expected in ((True, ["float32", "bfloat16"]), (False, ["float32"])):
        monkeypatch.setattr(bench, "has_bfloat16", lambda device, present=present: present)
        assert [key.precision for key in list_forms(["eager"], cpu)] == expected
    assert [(key.backend, key.precision) for key in list_forms(["onnxruntime"], cpu)] == [("onnxruntime", "float32")]


def test_the_command_prints_every_form_of_every_network(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(bench, "has_bfloat16", lambda device: True)
    path = write_network(tmp_path / "network.pt")
    export_network(lbt.load_network(path), tmp_path / "network.onnx", tuple(map(int, SIZE)))
    words = ["bench", path, tmp_path / "network.onnx", "--size", *SIZE, "--turns", 2, "--output", tmp_path / "out"]
    assert main(list(map(str, words))) == 0
    printed, table = " ".join(capsys.readouterr().out.split()), pd.read_csv(tmp_path / "out" / "bench.csv")
    assert "64 x 96 pixels (height x width)" in printed and "LR-ASPP-MobileNetV3" in printed
    forms = [("plain", "float32"), ("eager", "float32"), ("eager", "bfloat16"), ("onnxruntime", "float32")]
    for name in (str(path), *(facts.title for facts in BASELINES.values())):
        rows = table[table["network"] == name]
        assert list(zip(rows["backend"], rows["precision"], strict=True)) == forms
        assert rows["miou"].notna().tolist() == ([True, True, False, True] if name == str(path) else [False] * 4)
    assert len(table) == 4 * 5 + 1 and (table["median_ms"] > 0).all()
    assert table[table["network"] == str(tmp_path / "network.onnx")]["speedup"].isna().all()


def test_the_score_of_a_file_counts_if_it_has_one(tmp_path):
    cpu = bench.torch.device("cpu")
    for scores, expected in (({"miou": 0.5}, {"float32": 0.5, "tf32": 0.5}), ({"iou": {}}, {}), ({"miou": "?"}, {})):
        network = lbt.load_network(write_network(tmp_path / "network.pt", use={"scores": scores}))
        assert score_precisions(network, None, cpu) == expected


def test_a_backend_that_is_not_here_is_not_left_out_in_silence(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(deployment.shutil, "which", lambda name: None)
    path = write_network(tmp_path / "network.pt")
    assert main(["bench", str(path), "--backends", "eager", "compile", "--device", "cpu", "--turns", "1"]) == 1
    assert "--backends: compile needs a C++ compiler" in capsys.readouterr().err


def test_wrong_arguments_are_named(tmp_path, capsys):
    path = write_network(tmp_path / "network.pt", use={})
    for words, message in (
        (["--turns", "0"], "--turns: is 0"),
        (["--threads", "0"], "--threads: is 0"),
        (["--size", "16", "64"], "--size: is 16 64"),
        (["--size", "64", "100000"], "--size: is 64 100000"),
        ([], "has no input size"),
    ):
        assert main(["bench", str(path), *words]) == 1
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("backend", ["eager", "onnxruntime", "compile"])
def test_every_form_ends_with_the_labels_of_the_network(tmp_path, backend):
    network = lbt.load_network(write_network(tmp_path / "network.pt"), trainable=True)
    scene = bench.draw_scene((64, 96))
    images = bench.normalise(scene[None], network.mean, network.std)
    form = bench.LatencyKey.model_validate({"backend": backend})
    plain, other = bench.prepare_network("a", network.network, [form], images, bench.torch.device("cpu"), 1, {})
    assert (plain.backend, other.backend) == (PLAIN, backend)
    expected = network(scene)
    for entry in (plain, other):
        with bench.torch.inference_mode():
            found = entry.forward(*entry.inputs)
        assert found.dtype == bench.torch.uint8 and found.shape == (1, 64, 96)
        assert len(expected.unique()) > 1 and (found[0] == expected).float().mean() > 0.999
