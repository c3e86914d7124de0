"""`lbt check` names every file and setting that would end a run, and fails."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from stage_calls import call_stage
from torchvision.models.segmentation import lraspp_mobilenet_v3_large

from lbt.__main__ import main
from lbt.config.read import read_settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """The configuration of a set of synthetic scenes."""
    folder = tmp_path_factory.mktemp("scenes")
    content = yaml.safe_load((ROOT / "tests" / "workflow" / "tiny.yaml").read_text())
    content["data"]["root"] = str(folder / "scenes")
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(content))
    settings = read_settings(config)
    call_stage("scenes", scenes=settings.scenes, data=settings.data, listing=folder / "scenes" / "scenes.json")
    return config


@pytest.fixture
def case(scenes, tmp_path):
    """A copy of the set that a test may spoil: its configuration and root."""
    content = yaml.safe_load(scenes.read_text())
    root = tmp_path / "scenes"
    shutil.copytree(content["data"]["root"], root)
    content["data"]["root"] = str(root)
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(content))
    return config, root


def first(root, pattern):
    return sorted(root.glob(pattern))[0]


def spoil_image(root):
    path = first(root, "leftImg8bit/train/*/*.png")
    path.write_bytes(path.read_bytes()[:200])
    return path.name


def spoil_label(root):
    path = first(root, "gtFine/val/*/*.png")
    path.unlink()
    return path.name.removesuffix("_gtFine_labelIds.png")


def spoil_ids(root):
    path = first(root, "gtFine/train/*/*.png")
    Image.new("L", (97, 61), 77).save(path)
    return path.name


def spoil_size(root):
    path = first(root, "gtFine/train/*/*.png")
    Image.new("L", (96, 61), 7).save(path)
    return path.name


def spoil_root(root):
    shutil.rmtree(root / "leftImg8bit")
    return str(root)


def spoil_validation(root):
    shutil.rmtree(root / "leftImg8bit" / "val")
    shutil.rmtree(root / "gtFine" / "val")
    return "val"


def spoil_every_validation_mask(root):
    for path in (root / "gtFine/val").glob("*/*.png"):
        Image.new("L", (97, 61), 0).save(path)  # id 0: not evaluated
    return "val: has no labelled pixel in its masks"


SPOILS = (spoil_image, spoil_label, spoil_ids, spoil_size, spoil_root, spoil_validation, spoil_every_validation_mask)


@pytest.mark.parametrize("spoil", SPOILS)
def test_check_names_the_file_and_fails(case, capsys, spoil):
    config, root = case
    assert main(["check", str(config)]) == 0
    capsys.readouterr()
    named = spoil(root)
    assert main(["check", str(config)]) == 1
    message = capsys.readouterr().err
    assert named in message
    assert "Traceback" not in message


def test_check_lists_every_problem_at_once(case, capsys):
    config, root = case
    names = [spoil_image(root), spoil_label(root), spoil_ids(root)]
    assert main(["check", str(config)]) == 1
    message = capsys.readouterr().err
    assert all(name in message for name in names)


def edit(config, section, **values):
    content = yaml.safe_load(config.read_text())
    content[section] |= values
    config.write_text(yaml.safe_dump(content))


def test_check_lists_student_weights_that_are_missing_or_do_not_fit(case, capsys, tmp_path):
    config, root = case
    weights = tmp_path / "student.pth"
    student = {"model": "lraspp_mobilenet_v3_large", "crop": [64, 64], "batch_size": 2}
    student |= {"weights": str(weights)}
    edit(config, "search", student=student)
    damaged = spoil_image(root)
    assert main(["check", str(config)]) == 1
    message = capsys.readouterr().err
    assert damaged in message and f"search.student.weights: {weights}: is missing" in message

    shutil.rmtree(root)  # scenes that a run generates later
    assert main(["check", str(config)]) == 1
    assert "student.pth: is missing" in capsys.readouterr().err
    network = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=7)
    torch.save(network.state_dict(), weights)
    assert main(["check", str(config)]) == 1
    assert "student.pth: was trained on 7 classes, the data set has 6" in capsys.readouterr().err
    network = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=6)
    torch.save(network.state_dict(), weights)
    assert main(["check", str(config)]) == 0


def test_check_ignores_student_weights_that_no_method_reads(case):
    edit(case[0], "search", student={"weights": "nowhere.pth"})
    assert main(["check", str(case[0])]) == 1
    content = yaml.safe_load(case[0].read_text())
    case[0].write_text(yaml.safe_dump(content | {"methods": ["fasterseg"]}))
    assert main(["check", str(case[0])]) == 0


def test_check_says_which_folder_a_relative_path_is(case, capsys, monkeypatch):
    config, root = case
    monkeypatch.chdir(config.parent.parent)
    edit(config, "data", root="scenes")
    content = yaml.safe_load(config.read_text())
    del content["scenes"]  # a run would generate them in the working directory
    config.write_text(yaml.safe_dump(content))
    assert main(["check", str(config)]) == 0
    found = f"data.root: scenes is {root} (from the folder of the configuration file)"
    assert found in capsys.readouterr().out.splitlines()


def test_check_takes_files_and_options_like_snakemake(case, capsys, tmp_path):
    (tmp_path / "second.yaml").write_text("search: {shards: 9}\n")
    command = ["check", str(case[0]), str(tmp_path / "second.yaml")]
    assert main(command) == 1
    assert "search.shards: is 9, above the 5 image(s) of unlabeled" in capsys.readouterr().err
    assert main([*command, "--config", 'search={"shards": 1}']) == 0


def test_check_refuses_a_data_set_in_the_place_of_the_scenes(case, capsys):
    """As the run does."""
    config, root = case
    (root / ".street-scenes.json").unlink()
    (root / "scenes.json").unlink()
    assert main(["check", str(config)]) == 1
    assert "was not generated by this program" in capsys.readouterr().err


def test_a_folder_without_a_run_is_refused(tmp_path, capsys):
    assert main(["check", str(tmp_path)]) == 1
    assert f"so no run has started in {tmp_path}. Name the folder of a run." in capsys.readouterr().err


def test_check_judges_scenes_that_are_not_generated_yet(case, capsys):
    config, root = case
    shutil.rmtree(root)
    assert main(["check", str(config)]) == 0
    edit(config, "warmup", batch_size=50)
    assert main(["check", str(config)]) == 1
    assert "warmup.batch_size: is 50, above the 8 image(s) of teacher_train" in capsys.readouterr().err


def test_check_refuses_more_shards_than_images(case, capsys):
    edit(case[0], "search", shards=9)
    assert main(["check", str(case[0])]) == 1
    assert "search.shards: is 9, above the 5 image(s) of unlabeled" in capsys.readouterr().err


@pytest.mark.parametrize("classes", [19, 34])
def test_a_data_set_may_lack_official_classes(case, classes):
    edit(case[0], "data", classes=classes)
    assert main(["check", str(case[0])]) == 0


def test_a_key_that_is_a_date_is_refused_like_any_unknown_key(case, capsys):
    case[0].write_text(case[0].read_text() + "2020-01-01: 3\n")
    assert main(["check", str(case[0])]) == 1
    assert "2020-01-01: unknown key" in capsys.readouterr().err


@pytest.mark.parametrize("pattern", ["/images/{split}/*", "**{split}/*"])
def test_an_invalid_pattern_is_refused(case, capsys, pattern):
    config, root = case
    folder = {"images": pattern, "classes": [{"name": n, "id": i, "color": [0, 0, i]} for i, n in enumerate("ab")]}
    config.write_text(yaml.safe_dump({"data": {"layout": "folder", "root": str(root), "folder": folder}}))
    assert main(["check", str(config)]) == 1
    assert "is not a pattern below" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ratio", "shards", "message"),
    [
        (0.13, 1, "search.student.batch_size: is 2, above the 1 image(s) that the teacher labels"),
        (0.25, 3, "search.shards: is 3, above the 2 image(s) that the teacher labels"),
        (0.25, 2, ""),
        (2.0, 1, "search.pseudo_labels.ratio: 2 times the 8 images of student_train are 16, but there are 5"),
    ],
)
def test_check_finds_a_ratio_that_leaves_too_few_images(scenes, tmp_path, capsys, ratio, shards, message):
    content = yaml.safe_load(scenes.read_text())
    content["search"] |= {"shards": shards, "pseudo_labels": {"ratio": ratio}}
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(content | {"methods": ["lbt"]}))
    assert main(["check", str(config)]) == bool(message)
    assert message in capsys.readouterr().err
    config.write_text(yaml.safe_dump(content | {"methods": ["fasterseg"]}))  # labels nothing
    assert main(["check", str(config)]) == 0
