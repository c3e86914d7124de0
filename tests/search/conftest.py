"""A round of the tiny run, with any settings of the search; places of a student's first weights."""

from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from lbt.search import labelling
from lbt.search import round as rounds
from lbt.search.methods import teaches


@pytest.fixture
def play(tiny, tmp_path) -> Callable[..., Path]:
    """Run a round into a folder of its own; further keywords are settings of the search."""

    def run(
        folder: str,
        *,
        method: str = "fasterseg",
        round: int = 1,
        previous: Path | None = None,
        table: Path | None = None,
        workers: int = 0,
        **search,
    ) -> Path:
        chosen = tiny.settings.search.model_copy(update={"epochs": 0.5, **search})
        compute = tiny.settings.compute.model_copy(update={"workers": workers})
        place, previous = tmp_path / folder, previous or tiny.warmup
        shards = [place / f"shard-{k}.h5" for k in range(chosen.shards if teaches(method) else 0)]
        for k, shard in enumerate(shards):
            labelling.run(
                seed=0,
                method=method,
                round=round,
                shard=k,
                code="code",
                data=tiny.settings.data,
                space=tiny.settings.space,
                search=chosen,
                compute=compute,
                split=tiny.split,
                teacher=previous,
                output=shard,
            )
        rounds.run(
            seed=0,
            method=method,
            round=round,
            data=tiny.settings.data,
            augmentation=tiny.settings.augmentation,
            space=tiny.settings.space,
            search=chosen,
            latency=tiny.settings.latency,
            evaluation=tiny.settings.evaluation,
            compute=compute,
            split=tiny.split,
            table=table or tiny.table,
            previous=previous,
            shards=shards,
            checkpoint=place / "checkpoint.pt",
            architecture=place / "architecture.json",
            metrics=place / "metrics.csv",
            guide=place / "guide.json" if chosen.cosearch else None,
            log=place / "log.txt",
        )
        return place

    return run


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """torch.hub's folder of checkpoints, empty, and no network."""

    def refuse(*arguments, **options):
        raise URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "urlopen", refuse)
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def weights_file(tmp_path):
    """Write a state dict to a file of the test's folder."""

    def write(content: object) -> Path:
        path = tmp_path / "weights.pth"
        torch.save(content, path)
        return path

    return write
