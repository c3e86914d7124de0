"""A network that is missing is answered with those that exist."""

import os
from pathlib import Path

import pytest

from lbt.errors import LbtError
from lbt.inference.existing_networks import describe_networks
from lbt.inference.input_files import refuse_as_network


def test_the_newest_networks_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LbtError, match=r"nowhere.pt: is missing; .* No run below results/ has made a network yet"):
        refuse_as_network(Path("nowhere.pt"), "images")
    for age, name in enumerate(
        ("a/networks/lbt-seed-0.pt", "b/networks/lbt-seed-1/network.pt", "b/networks/x.pt", "c/networks/y.pt")
    ):
        path = Path("results") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (1000 - age, 1000 - age))
    wanted = (
        "results/a/networks/lbt-seed-0.pt, results/b/networks/lbt-seed-1/network.pt, results/b/networks/x.pt and 1 more"
    )
    assert describe_networks() == f"Networks here, the newest first: {wanted}."
    with pytest.raises(LbtError, match=r"is missing; .*lbt-seed-1/network.pt"):
        refuse_as_network(Path("nowhere.pt"), "images")
