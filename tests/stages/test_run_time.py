"""The hours of a run: counted work against formulas, times against hand-made speeds, and finished rounds."""

import copy
import csv

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lbt.network.derivation_rule import derive_genotype
from lbt.network.network import Network
from lbt.network.size import count_macs
from lbt.space.architecture import first_architecture
from lbt.space.supernet import Supernet
from lbt.space.widths import draw_random_widths, max_widths
from lbt.stages import run_time
from lbt.stages.run_time import describe_time, list_stages
from lbt.stages.speed import Speed, measure_speed, training
from lbt.stages.work import Work, count_work, network_work, supernet_work
from lbt.views.run_state import describe_seconds

PARTS = {"teacher_train": 8, "teacher_val": 8, "student_train": 8, "student_val": 8, "unlabeled": 5, "evaluation": 3}
PARTS |= {"train": 16}
SLOW = Speed("a slow device", 1e9, 1e-3, False, "the test")


def test_a_convolution_has_the_operations_of_its_formula():
    layer, images = nn.Conv2d(3, 5, 3, padding=1, bias=False), torch.zeros(2, 3, 7, 11)
    assert count_work(lambda: layer(images)) == Work(2 * 2 * 7 * 11 * 3 * 5 * 9, 1)


def test_a_supernets_work_is_what_pytorch_counts(tiny):
    space, classes = tiny.settings.space, tiny.classes.num_classes
    supernet, images = Supernet(space, classes).eval(), torch.zeros(2, 3, 128, 64)
    architecture = first_architecture(space, 0)
    random = draw_random_widths(space, torch.Generator().manual_seed(0))
    found = supernet_work(space, classes)
    for name, widths in (("max", max_widths(space)), ("sampled", random)):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            supernet(images, architecture, widths)
        assert found[name].on(2 * 128 * 64).flop == pytest.approx(counter.get_total_flops())
    assert found["min"].flop < found["sampled"].flop < found["max"].flop


def test_a_training_pass_has_three_products_for_each_of_the_forward_pass():
    layers = nn.Sequential(nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
    images = torch.zeros(1, 8, 16, 16).requires_grad_()
    with FlopCounterMode(display=False) as counter:
        layers(images).sum().backward()
    assert training(count_work(lambda: layers(images))).flop == counter.get_total_flops()


def test_a_networks_work_is_twice_its_multiply_accumulates(tiny):
    space = tiny.settings.space
    network = Network(derive_genotype(first_architecture(space, 0), space), space, 6)
    work = network_work(copy.deepcopy(network).to("meta"), (64, 96))
    assert work.on(64 * 96).flop == pytest.approx(2 * count_macs(network, (64, 96)))


def test_a_device_that_overlaps_takes_the_longer_of_the_two_times():
    work = Work(3e9, 1000)
    assert SLOW.seconds(work) == pytest.approx(3 + 1)
    assert Speed("", 1e9, 1e-3, True, "").seconds(work) == pytest.approx(3)
    assert Speed("", 1e9, 5e-3, True, "").seconds(work) == pytest.approx(5)


def test_a_measured_speed_explains_the_time_of_the_part_that_was_timed(tiny):
    speed = measure_speed(tiny.settings.compute)
    assert 1e8 < speed.flop < 1e13 and 1e-7 < speed.operator < 1e-2 and not speed.overlaps
    assert "timed now" in speed.source


def test_steps_are_those_of_the_stages(tiny):
    settings = tiny.settings.model_copy(update={"methods": ("lbt", "random"), "seeds": (0, 1)})
    stages = {stage.name: stage for stage in list_stages(settings, PARTS, 61 * 97)}
    search, area = settings.search, 61 * 97
    assert stages["labels, lbt"].steps == 2 * search.rounds * 5
    assert stages["rounds, random"].steps == stages["rounds, lbt"].steps
    assert stages["rounds, lbt"].steps == 2 * search.rounds * round(search.epochs * 8 / search.batch_size)
    assert stages["retraining"].steps == 2 * 2 * round(settings.retrain.epochs * 16 / settings.retrain.batch_size)
    assert stages["rounds, lbt"].step.flop > stages["rounds, random"].step.flop > 0
    stage = stages["labels, lbt"]
    network, decoding = SLOW.seconds(stage.step), run_time.DECODING * area / 1e6
    assert stage.hours(SLOW, 0) == pytest.approx(stage.steps * (network + decoding) / 3600)
    assert stage.hours(SLOW, 1) == pytest.approx(stage.steps * max(network, decoding) / 3600)


def test_each_baseline_is_trained_with_the_steps_of_the_retraining(tiny):
    settings = tiny.settings.model_copy(update={"methods": ("lbt",), "seeds": (0, 1)})
    without = {stage.name: stage for stage in list_stages(settings, PARTS, 61 * 97)}
    wanted = settings.model_copy(update={"baselines": ("fast_scnn", "lraspp_mobilenetv3")})
    found = {stage.name: stage for stage in list_stages(wanted, PARTS, 61 * 97)}
    names = ("fast_scnn", "lraspp_mobilenetv3")
    assert found.keys() - without.keys() == {f"{what}, {name}" for name in names for what in ("training", "scores")}
    assert {name: found[name] for name in without} == without
    small, large = found["training, fast_scnn"], found["training, lraspp_mobilenetv3"]
    assert small.steps == large.steps == without["retraining"].steps
    assert large.step.flop > 10 * small.step.flop > 0
    scores = found["scores, fast_scnn"]
    assert scores.steps == without["scores"].steps == 2 * PARTS["evaluation"]
    crop = settings.augmentation.crop[0] * settings.augmentation.crop[1] * settings.retrain.batch_size
    assert scores.step.flop / (61 * 97) < small.step.flop / crop


def test_finished_rounds_replace_their_estimate_and_correct_the_others(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(run_time, "measure_speed", lambda compute: SLOW)
    settings = tiny.settings.model_copy(update={"methods": ("fasterseg", "random")})

    def hours_of(folder):
        lines = describe_time(settings, PARTS, 61 * 97, folder).splitlines()
        return {line[:35].strip(): line[45:57].strip() for line in lines[2:-2]}, lines

    before, lines = hours_of(tmp_path / "none")
    assert lines[0].startswith("time: about ") and "factor of two" in lines[0]
    assert lines[-2] == "    speed here: the test" and "table" in lines[-1]
    stages = {stage.name: stage for stage in list_stages(settings, PARTS, 61 * 97)}
    stage = stages["rounds, random"]
    metrics = tmp_path / "run" / "search" / "random" / "seed-0" / "round-1" / "metrics.csv"
    metrics.parent.mkdir(parents=True)
    took = 1000 * stage.hours(SLOW, 0) / stage.steps * 3600
    with open(metrics, "w", newline="") as file:
        csv.writer(file).writerows([["step", "seconds"], [0, took], [1, took], [2, 9 * took]])
    after, lines = hours_of(tmp_path / "run")
    assert "multiplied by 1e+03, as the finished rounds in" in lines[-2]
    for name in ("rounds, random", "warm-up"):
        assert after[name] == describe_seconds(3600 * 1000 * stages[name].hours(SLOW, 0))
    # the stage that reads the file names it
    for spoiled in (b"step,seconds\n0,x\n", b"step,seconds\n0,\xff\n", b"\xff\xfe\n", b"step;seconds\n0;9\n", b""):
        metrics.write_bytes(spoiled)
        assert hours_of(tmp_path / "run")[0] == before, spoiled
    for number in ("nan", "inf", "-9", "0"):  # of a damaged clock
        metrics.write_text(f"step,seconds\n0,{number}\n")
        assert hours_of(tmp_path / "run")[0] == before, number
