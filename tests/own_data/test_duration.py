"""The estimate of a run's time: linear in what was timed, with the steps that the run takes."""

import pytest
from pictures import save_pairs

from lbt.config.read import parse_settings
from lbt.data.sample import Sample
from lbt.own_data.budget import propose_training
from lbt.own_data.duration import Duration, Passes, add_up, time_passes

COUNTS = {"teacher_train": 6, "teacher_val": 6, "student_train": 6, "student_val": 6, "unlabeled": 5, "evaluation": 4}
SMALL = {
    "space": {"layers": 4, "base_width": 2},
    "augmentation": {"crop": [32, 64]},
    "search": {"student": {"model": "lraspp_mobilenet_v3_large", "crop": [32, 32], "batch_size": 2}},
    "compute": {"threads": 1, "device": "cpu"},
}


def settings(methods):
    content = propose_training(COUNTS, (96, 96), (96, 96), "cpu")
    content["search"]["random_match"] = "none"
    content["latency"] = {
        "input_size": [32, 32],
        "profile_runs": 5,
        "min_run_seconds": 1e-6,
    }  # passes of whole images hardly count
    return parse_settings(content | {"methods": methods}, "test")


def seconds(passes, methods=("lbt", "random"), cores=1):
    """Without what the latency table takes, which nothing here changes."""
    given = settings(list(methods))
    return 60 * (add_up(given, COUNTS, 3, passes, cores) - add_up(given, COUNTS, 3, Passes(0, 0, 0, 0, 0), cores))


def test_steps_of_retraining():
    given = settings(["lbt", "random"])
    steps = given.retrain.epochs * 12 / given.retrain.batch_size
    assert seconds(Passes(0, 0, 1, 0, 0)) == pytest.approx(2 * steps, rel=0.01)  # one core does both
    assert seconds(Passes(0, 0, 1, 0, 0), cores=8) == pytest.approx(steps, rel=0.01)  # beside each other


def test_steps_of_the_supernet():
    given = settings(["random"])
    warmup = 4 * given.warmup.epochs * 6 / given.warmup.batch_size
    search = given.search.rounds * given.search.epochs * 6 / given.search.batch_size
    assert seconds(Passes(1, 0, 0, 0, 0), ["random"]) == pytest.approx(warmup + search, rel=0.01)
    assert seconds(Passes(1, 0, 0, 0, 0), ["lbt"]) > warmup + 3 * search


def test_more_cores_never_take_longer():
    passes = Passes(0.4, 0.1, 0.2, 0.02, 3)
    times = [seconds(passes, cores=cores) for cores in (1, 2, 4, 64)]
    assert times == sorted(times, reverse=True) and times[2] == times[3] and times[0] > 1.2 * times[2]


@pytest.mark.parametrize(
    ("minutes", "text"),
    [
        (0.2, "about 1 minute"),
        (7.6, "about 8 minutes"),
        (43, "about 45 minutes"),
        (100, "about 1.7 hours"),
        (1500, "about 25 hours"),
    ],
)
def test_words(minutes, text):
    assert str(Duration(minutes, "")) == text


def test_images_that_are_read():
    given = settings(["random"])
    read = max(6 * given.warmup.epochs, 6 * given.search.student.warmup_epochs)  # beside each other
    read += 6 * given.search.rounds * given.search.epochs + 12 * given.retrain.epochs + 2 * 4
    assert seconds(Passes(0, 0, 0, 1e-3, 0), ["random"], cores=9) == pytest.approx(1e-3 * read, rel=0.01)


def test_passes_are_timed(tmp_path):
    save_pairs(tmp_path, ["a", "b"])
    samples = [Sample(name, f"photos/{name}.jpg", f"masks/{name}.png", name) for name in "ab"]
    classes = [{"name": name, "id": index, "color": [index] * 3} for index, name in enumerate("xyz")]
    folder = {"images": "photos/*", "masks": "masks/*", "classes": classes}
    data = {"layout": "folder", "root": str(tmp_path), "folder": folder}
    passes = time_passes(parse_settings(SMALL | {"data": data}, "test"), samples, 3)
    assert (
        0 < passes.image < 5
        and 0 < passes.network < 60
        and 0 < passes.student < 60
        and 0 < passes.supernet < 60
        and 0.1 < passes.start < 120
    )
