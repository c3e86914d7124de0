"""Settings: what is refused, what the message says, and that the documentation names every key."""

import re
from pathlib import Path

import pytest
import yaml

from lbt.config import RetrainSettings, Section, Settings
from lbt.config.read import parse_settings, read_settings
from lbt.config.unread import select_read
from lbt.errors import LbtError

ROOT = Path(__file__).resolve().parents[2]
FOLDER_CLASSES = [{"name": "a", "id": 0, "color": [0, 0, 0]}, {"name": "b", "id": 1, "color": [9, 9, 9]}]


def folder_with(**change):
    """Settings of a folder layout whose second class is changed."""
    return {"data": {"layout": "folder", "folder": {"classes": [FOLDER_CLASSES[0], FOLDER_CLASSES[1] | change]}}}


REFUSED = [
    ({"search": {"round": 3}}, "search.round: unknown key; did you mean `rounds`"),
    ({"serach": {}}, "serach: unknown key; did you mean `search`"),
    ({"warmup": {"optimizer": {"lr": "5e4x"}}}, "warmup.optimizer.lr: a number is needed; found '5e4x'"),
    ({"search": {"rounds": 2.5}}, "search.rounds: a whole number is needed; found 2.5"),
    ({"search": {"fps": [30.0]}}, "search.fps.1: is missing"),
    ({"search": 3}, "search: a section (key: value) is needed; found 3"),
    ({"seeds": 3}, "seeds: a list is needed; found 3"),
    ({"compute": {"device": "gpu"}}, "compute.device: must be 'auto', 'cpu' or 'cuda'; found 'gpu'"),
    ({"search": {"student": {"batch_size": 1}}}, "search.student.batch_size"),
    (
        {"search": {"student": {"batch_size": 2}}},
        "search.student.batch_size: 2 is below 4: deeplabv3_resnet50 normalises",
    ),
    ({"search": {"student": {"weights": ""}}}, "search.student.weights"),
    ({"search": {"student": {"warmup_epochs": -0.5}}}, "search.student.warmup_epochs"),
    ({"search": {"rounds": 0}}, "search.rounds"),
    ({"splits": {"parts": [0.5, 0.5, 0.5, 0.1]}}, "sum to 1.6"),
    ({"splits": {"scheme": "disjoint", "parts": [0.5, 0.5, 0.0, 0.0]}}, "each of the four shares"),
    ({"data": {"classes": 20}}, "data.classes"),
    ({"data": {"layout": "folder"}}, "needs `folder.classes`"),
    ({"data": {"folder": {"classes": FOLDER_CLASSES}}}, "only read with `layout: folder`"),
    ({"data": {"layout": "folder", "folder": {"classes": [*FOLDER_CLASSES, FOLDER_CLASSES[0]]}}}, "is listed twice"),
    ({"data": {"layout": "folder", "folder": {"classes": FOLDER_CLASSES, "ignore": [1]}}}, "is also in `ignore`"),
    ({"data": {"layout": "folder", "folder": {"classes": FOLDER_CLASSES, "images": "x"}}}, "needs a `*`"),
    ({"methods": ["lbt", "darts"]}, "methods.1"),
    ({"methods": ["random"]}, "search.random_match: lbt is not among `methods`"),
    ({"methods": ["random"], "search": {"random_match": "window"}}, "random_match: `window` needs `fps`"),
    ({"search": {"fps": [30.0, 30.0]}}, "search.fps: the lower end 30 must be below the upper end 30"),
    ({"search": {"fps": [30.0, 40.0], "latency_weight": 0.0}}, "latency_weight: must be above 0 with `fps`"),
    ({"warmup": {"batch_size": 6, "gpus": 4}}, "warmup.gpus: 4 GPUs cannot share a batch_size of 6 evenly; make it a"),
    ({"search": {"batch_size": 4, "gpus": 3}}, "search.gpus: 3 GPUs cannot share a batch_size of 4 evenly"),
    ({"search": {"batch_size": 3, "gpus": 3}}, "gpus: 3 GPUs cannot share a search.student.batch_size of 8 evenly"),
    ({"retrain": {"batch_size": 9, "gpus": 2}}, "retrain.gpus: 2 GPUs cannot share a batch_size of 9 evenly"),
    ({"derivation": {"fps": [40.0, 30.0]}}, "derivation.fps: the lower end 40"),
    (
        {"space": {"width_twelfths": [4, 6]}, "retrain": {"initial": "supernet"}},
        "space.head_twelfths: 8 is above the largest of space.width_twelfths, 6",
    ),
    ({"space": {"branches": 2}}, "space.branches"),
    (
        {
            "data": {
                "layout": "folder",
                "folder": {
                    "classes": [
                        {"name": "Stra\u00dfe \u00e1", "id": 0, "color": [1, 1, 1]},
                        {"name": "Stra\u00dfe a\u0301", "id": 1, "color": [1, 1, 2]},
                    ]
                },
            }
        },
        "is listed twice",
    ),
    ({"seeds": [1, 1]}, "seeds: a value is listed twice"),
    ({"space": {"layers": 3}}, "space.layers"),
    ({"space": {"width_twelfths": [6, 4]}}, "must ascend"),
    ({"augmentation": {"scale": [2.0, 1.0]}}, "lower end"),
    ({"run": "../elsewhere"}, "run: '../elsewhere' is not a valid folder name below `results/`"),
    (
        {"run": "my run/x"},
        "letters, digits, `_`, `.` and `-` are allowed, with a letter or digit first, as in my-run-x",
    ),
    ({"run": "x\n"}, "run: "),
    (folder_with(color=[0, 142]), "class b: a colour has three numbers, 0 to 255; found [0, 142]"),
    (folder_with(color=[0, 0, 342]), "class b: a colour has three numbers, 0 to 255; found [0, 0, 342]"),
    (folder_with(color="blue"), "class b: a colour has three numbers, 0 to 255; found 'blue'"),
    (folder_with(color=None), "class b: a colour has three numbers, 0 to 255; found None"),
    (
        {"data": {"layout": "folder", "folder": {"classes": FOLDER_CLASSES, "ignore_colors": [[0, 0]]}}},
        "ignore_colors: a colour has three numbers, 0 to 255; found [0, 0]",
    ),
    ({"scenes": {}, "data": {"layout": "folder", "folder": {"classes": FOLDER_CLASSES}}}, "scenes"),
    ({"retrain": {"epochs": ".nan"}}, "retrain.epochs: a number is needed"),
    ({"retrain": {"epochs": float("inf")}}, "retrain.epochs: a number is needed"),
    ({"scenes": {}, "data": {"unlabeled": "train_extra"}}, "data.unlabeled: synthetic scenes have no part train_extra"),
    ({"data": {"mean": [123.7, 116.3, 103.5]}}, "scale of 0 to 255; pixels are read as 0 to 1: write [0.4851, 0.4561,"),
    ({"data": {"std": [58.395, 57.12, 57.375]}}, "data.std: [58.395, 57.12, 57.375] is on the scale of 0 to 255"),
    ({"data": {"mean": [-3, 0, 99]}}, "data.mean.0: must be at least 0; found -3"),
    ({"data": {"std": [0, 0.2, 0.2]}}, "data.std.0: must be at least 0.001; found 0"),
    ({"data": {"std": [0.2, 0.2, 1.5]}}, "data.std.2: must be at most 1; found 1.5"),
    ({"data": {"mean": [0.5, 0.5]}}, "data.mean.2: is missing"),
    ({"data": {"std": [0.5, 0.5, 0.5, 0.5]}}, "data.std: a list of at most 3 is needed; found 4"),
    (
        {"data": {"layout": "folder", "folder": {"classes": FOLDER_CLASSES, "images": "i" * 256 + "/*"}}},
        "data.folder.images: iiiiiiiiii",
    ),
    (folder_with(name="  "), "data.folder.classes.1.name: '  ' is blank"),
    (folder_with(name="car "), "'car ' has blanks at its ends"),
    (folder_with(name="a\u200bb"), "holds a character that cannot be shown"),
    (folder_with(name="n" * 101), "has 101 characters; a name has at most 100"),
    ({"run": "r" * 101}, "has 101 characters"),
    ({"run": "my.run."}, "cannot be copied to every file system"),
    ({"run": "con"}, "cannot be copied to every file system"),
    ({"run": "NUL.2"}, "cannot be copied to every file system"),
    ({"space": {"layers": 10**9}}, "space.layers: must be at most 128; found 1000000000"),
    ({"search": {"rounds": 10000}, "seeds": [1, 2, 3]}, "give 150000 jobs, more than the 100000 that can be planned"),
]


@pytest.mark.parametrize(("content", "message"), REFUSED, ids=[m for _, m in REFUSED])
def test_bad_settings_are_refused_with_the_place(content, message):
    with pytest.raises(LbtError) as error:
        parse_settings(content, "my.yaml")
    assert message in str(error.value)
    assert str(error.value).startswith("my.yaml: ")


def test_without_a_student_its_batch_need_not_be_divided():
    settings = parse_settings({"methods": ["fasterseg"], "search": {"batch_size": 3, "gpus": 3}}, "my.yaml")
    assert settings.search.gpus == 3 and settings.search.student.batch_size == 8


def test_all_problems_are_listed_at_once():
    with pytest.raises(LbtError) as error:
        parse_settings({"serach": {}, "seeds": [], "space": {"layers": 2}}, "my.yaml")
    assert str(error.value).startswith("my.yaml: 3 problems in the settings:")


@pytest.mark.parametrize("file", sorted((ROOT / "config").glob("*.yaml")), ids=lambda p: p.name)
def test_each_shipped_configuration_is_good(file):
    assert read_settings(file).run


def test_run_names_of_shipped_configurations_differ():
    names = [read_settings(file).run for file in (ROOT / "config").glob("*.yaml")]
    assert len(names) == len(set(names)) >= 4


def test_a_missing_file_and_broken_yaml_are_named(tmp_path):
    with pytest.raises(LbtError, match=r"absent\.yaml"):
        read_settings(tmp_path / "absent.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("run: [")
    with pytest.raises(LbtError, match=r"broken\.yaml, line 1: is not YAML"):
        read_settings(broken)
    broken.write_text("just text")
    with pytest.raises(LbtError, match="settings"):
        read_settings(broken)


@pytest.mark.parametrize("file", sorted((ROOT / "config").glob("*.yaml")), ids=lambda p: p.name)
def test_settings_survive_a_round_trip_through_yaml(file):
    """What is written back lacks the settings that nothing reads, which would be refused."""
    settings = read_settings(file)
    assert parse_settings(yaml.safe_load(yaml.safe_dump(select_read(settings))), "again") == settings


@pytest.mark.parametrize("name", ["Straße 路", "a & b", "=x", "<b>", "name: with colon", "n" * 100])
def test_a_class_may_have_any_visible_name(name):
    assert parse_settings(folder_with(name=name), "my.yaml").data.folder.classes[1].name == name


def keys(model: type[Section] = Settings, prefix: str = "") -> dict[str, str]:
    """Every key by its dotted path, with its help."""
    found = {}
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        found[path] = field.description
        inner = [a for a in (field.annotation, *getattr(field.annotation, "__args__", ())) if isinstance(a, type)]
        for annotation in inner:
            if issubclass(annotation, Section):
                found |= keys(annotation, f"{path}.")
    return found


def test_every_key_is_documented_with_its_help():
    text = (ROOT / "config" / "README.md").read_text()
    documented = dict(re.findall(r"^\| `([a-z0-9_.]+)` \|.*\| (.*) \|$", text, re.MULTILINE))
    expected = {path: help.replace("|", "\\|") for path, help in keys().items()}
    assert all(help for help in expected.values())
    assert documented == expected


def test_scores_of_all_rounds_need_their_weights():
    content = {"evaluation": {"every_round": True}, "search": {"rounds": 2}}
    with pytest.raises(LbtError, match=r"search\.keep_every: 10 removes those of older ones"):
        parse_settings(content, "test.yaml")
    content["search"]["keep_every"] = 1
    assert parse_settings(content, "test.yaml").evaluation.every_round


SGD = {"name": "sgd", "lr": 0.01, "weight_decay": 5.0e-4, "decay_all": True}
RECIPES = [
    (
        {},
        {"recipe": "balanced", "loss": "enet", "ema_decay": 0.99},
        {"name": "adamw", "lr": 3.0e-3, "decay_all": False},
    ),
    ({"recipe": "released"}, {"loss": "ohem", "lr_warmup": 0.0, "ema_decay": 0.0, "auxiliary_size": "image"}, SGD),
    ({"recipe": "released", "loss": "enet", "optimizer": {"lr": 0.05}}, {"loss": "enet"}, SGD | {"lr": 0.05}),
    ({"recipe": "released", "optimizer": {"name": "adamw"}}, {"loss": "ohem"}, {"lr": 3.0e-3, "weight_decay": 1.0e-2}),
    ({"optimizer": {"name": "sgd"}}, {"loss": "enet"}, SGD | {"decay_all": False}),
]


@pytest.mark.parametrize(("given", "retrain", "optimizer"), RECIPES, ids=str)
def test_a_recipe_fills_in_what_is_not_given(given, retrain, optimizer):
    settings = parse_settings({"retrain": given}, "my.yaml")
    recorded = select_read(settings)
    assert recorded["retrain"].items() >= retrain.items()
    assert recorded["retrain"]["optimizer"].items() >= optimizer.items()
    assert parse_settings(recorded, "again") == settings
    assert settings.retrain.model_fields_set == given.keys()


def test_a_recipe_changes_results_only_by_the_keys_that_it_fills_in():
    """A stage is not rerun for the name of the recipe."""
    balanced, released = (RetrainSettings(recipe=name) for name in ("balanced", "released"))
    written = RetrainSettings.model_validate(released.model_dump() | {"recipe": "balanced"})
    assert written.tracked() == released.tracked() != balanced.tracked()


def test_an_unknown_recipe_is_refused_with_the_known_ones():
    for name in ("fast", ["released"], None):
        with pytest.raises(LbtError, match=r"retrain\.recipe: must be 'balanced' or 'released'; found"):
            parse_settings({"retrain": {"recipe": name}}, "my.yaml")
