"""Weight steps in bfloat16: training works, and the architecture's gradient is that of float32."""

import csv
import math
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from lbt.search import round as stage
from lbt.search.methods import load_method
from lbt.search.methods.lbt.student import validation_gradient
from lbt.space.batch_norm import BatchNorm2d

COLUMNS = {
    "fasterseg": ("teacher_loss", "teacher_val_loss"),
    "lbt": ("teacher_loss", "student_loss", "pseudo_loss", "teacher_val_loss", "student_val_loss"),
    "lpt": ("teacher_loss", "tester_loss", "bank_loss", "teacher_val_loss", "tester_val_loss"),
}


def rows_of(place):
    with open(place / "metrics.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("method", COLUMNS)
def test_the_architecture_step_is_float32_whatever_the_weight_steps_are(play, monkeypatch, method):
    own, compared = load_method(method), []

    def gradient(context):
        assert not torch.is_autocast_enabled("cpu") and not torch.backends.cudnn.allow_tf32
        found = own.architecture_gradient(context)
        with torch.autocast("cpu", enabled=False):
            again = own.architecture_gradient(context)
            if method == "lbt":
                step = context.partner_step
                loss, _ = validation_gradient(step.network, step.validation, step.noise_seed, context.processes)
                assert float(loss) == float(step.validation_loss)
        compared.append(all(torch.equal(found.gradient[name], again.gradient[name]) for name in found.gradient))
        with torch.autocast("cpu", dtype=torch.bfloat16):  # the comparison would see a reduced format
            rounded = own.architecture_gradient(context)
        compared.append(not torch.equal(found.gradient["alpha.8"], rounded.gradient["alpha.8"]))
        return found

    monkeypatch.setattr(stage, "load_method", lambda name: replace(own, architecture_gradient=gradient))
    place = play("bfloat16", method=method, precision="bfloat16")
    assert compared and all(compared)
    exact = play("float32", method=method)
    for row, reference in zip(rows_of(place), rows_of(exact), strict=True):
        for column in COLUMNS[method]:
            value, expected = float(row[column]), float(reference[column])
            assert math.isfinite(value) and value != expected
            assert value == pytest.approx(expected, rel=0.1)


def test_labels_of_bfloat16_are_those_of_float32_up_to_rounding(play):
    places = [play(name, method="lbt", precision=name) for name in ("float32", "bfloat16")]
    with h5py.File(places[0] / "shard-0.h5") as exact, h5py.File(places[1] / "shard-0.h5") as rounded:
        assert (exact["label"][:] == rounded["label"][:]).mean() > 0.9
    files = [place / "probability-0.h5" for place in places]
    with h5py.File(files[0]) as exact, h5py.File(files[1]) as rounded:
        codes, others = (shard["probability"][:].astype(int) for shard in (exact, rounded))
        assert 0 < np.abs(codes - others).max() < 20


def test_statistics_of_a_batch_stay_float32():
    norm, x = BatchNorm2d(4).train(), torch.randn(2, 4, 16, 16) + 3
    y = norm(x.bfloat16())
    assert y.dtype == torch.bfloat16
    assert norm.running_mean.dtype == norm.running_var.dtype == torch.float32
    mean = 0.1 * x.bfloat16().float().mean(dim=(0, 2, 3))
    torch.testing.assert_close(norm.running_mean, mean, rtol=1e-5, atol=1e-6)
    assert not torch.equal(norm.running_mean, norm.running_mean.bfloat16().float())
