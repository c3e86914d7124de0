"""Scenes that are not generated yet are judged like those that are."""

import pytest

from lbt.config import OFFICIAL_SPLITS
from lbt.config.read import parse_settings
from lbt.data.checking.planned_scenes import check_planned_scenes, plan_samples
from lbt.data.layouts import list_samples
from lbt.data.scenes.write_dataset import scene_files
from lbt.data.write_split import split_dataset

SCENES = {"train": 13, "val": 3, "test": 5, "height": 32, "width": 32}


SMALL = {"student": {"model": "lraspp_mobilenet_v3_large", "batch_size": 2}}


def planned(**content):
    search = {"search": SMALL | content.pop("search", {})}
    return check_planned_scenes(parse_settings({"scenes": SCENES, **search, **content}, "my.yaml"))


@pytest.mark.parametrize("scheme", ["halves", "disjoint"])
def test_the_plan_is_what_the_layout_lists(tmp_path, scheme):
    content = {"scenes": SCENES, "data": {"root": str(tmp_path)}, "splits": {"scheme": scheme}}
    settings = parse_settings(content | {"search": SMALL | {"batch_size": 2}, "warmup": {"batch_size": 2}}, "my.yaml")
    for file in scene_files(tmp_path, settings.scenes):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert plan_samples(settings.scenes) == {split: list_samples(settings.data, split) for split in OFFICIAL_SPLITS}
    roles = split_dataset(settings.data, settings.splits)
    parts, _ = check_planned_scenes(settings)
    assert parts == {role: len(samples) for role, samples in roles.items()}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"warmup": {"batch_size": 50}}, "warmup.batch_size: is 50, above the 7 image(s) of teacher_train; lower it"),
        ({"search": {"shards": 6}}, "search.shards: is 6, above the 5 image(s) of unlabeled; lower it"),
        ({"retrain": {"batch_size": 14}}, "retrain.batch_size: is 14, above the 13 image(s) of the training parts"),
        (
            {"data": {"classes": ["road", "truck"]}},
            "data.classes: truck: no synthetic scene shows it; choose from road",
        ),
        ({"data": {"classes": ["road", "rode"]}}, "data.classes: Cityscapes has no class 'rode'; did you mean 'road'?"),
    ],
)
def test_what_the_run_would_refuse_is_refused(content, message):
    _, problems = planned(**content)
    assert len(problems) == 1 and str(problems[0]).startswith(message)


def test_good_settings_have_no_problem():
    assert planned()[1] == []
