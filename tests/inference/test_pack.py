"""The file of a network is finished: it gets scores, profile, size, data set and digest."""

from pathlib import Path

import pytest
import torch
from random_network import SPACE, USE, random_network
from stage_calls import call_stage

import lbt
from lbt.config import Settings
from lbt.data.classes import class_table
from lbt.files import digest, write_json
from lbt.inference.network_file import save_network
from lbt.inference.pack import name_data
from lbt.stages.table import STAGES
from lbt.stages.up_to_date import job_settings


def test_the_finished_file_has_scores_profile_size_and_the_digest_of_the_manifest(tmp_path):
    settings = Settings().model_copy(update={"space": SPACE})
    table = class_table(settings.data)
    save_network(
        tmp_path / "network.pt",
        random_network(classes=table.num_classes),
        space=SPACE,
        classes=table.names,
        colors=table.colors,
        mean=settings.data.mean,
        std=settings.data.std,
        method="lpt",
        seed=3,
    )
    unfinished = lbt.load_network(tmp_path / "network.pt")
    assert unfinished.scores is unfinished.profile is unfinished.input_size is unfinished.settings_digest is None
    scores = {**USE["scores"], "bfloat16": {"equal_labels": 0.99}, "confusion": [[1]]}
    write_json(tmp_path / "network.json", scores)
    write_json(tmp_path / "profile.json", USE["profile"])
    seen = job_settings(settings, "pack", {"seed": 3, "method": "lpt"}, tracked=True)
    call_stage(
        "pack",
        settings,
        seed=3,
        method="lpt",
        settings_digest=digest(seen),
        network=tmp_path / "network.pt",
        scores=tmp_path / "network.json",
        profile=tmp_path / "profile.json",
        packed=tmp_path / "finished.pt",
    )
    finished = lbt.load_network(tmp_path / "finished.pt")
    assert finished.settings_digest == digest(seen)
    assert finished.scores == {**USE["scores"], "bfloat16": {"equal_labels": 0.99}}
    assert finished.profile == USE["profile"]
    assert finished.input_size == settings.latency.input_size
    assert (unfinished.trained_on, finished.trained_on) == (None, Path(settings.data.root).name)
    assert (finished.classes, finished.colors, finished.method, finished.seed) == (table.names, table.colors, "lpt", 3)
    before = unfinished.network.state_dict()
    assert before.keys() == finished.network.state_dict().keys()
    assert all(torch.equal(before[name], value) for name, value in finished.network.state_dict().items())
    # all sections that lead to a network, and none that only shows it
    packed = set(STAGES["pack"].settings.model_fields)
    assert set(Settings.model_fields) - packed == {"run", "seeds", "methods", "baselines", "scenes", "tabular"}


@pytest.mark.parametrize(
    ("root", "name"),
    [("/data/my camera", "my camera"), ("/", None), ("/data/a\x1b[2Jb", r"a\x1b[2Jb"), ("/data/ ", None)],
)
def test_a_data_set_is_called_by_its_folder(root, name):
    assert name_data(root) == name
