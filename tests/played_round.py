"""A round of the tiny run, with any settings of the search."""

from collections.abc import Callable
from pathlib import Path

import pytest
from stage_calls import call_stage

from lbt.config.methods import METHODS


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
        precision: str = "float32",
        **search,
    ) -> Path:
        chosen = tiny.settings.search.model_copy(update={"epochs": 0.5, **search})
        compute = tiny.settings.compute.model_copy(update={"workers": workers, "precision": precision})
        place, previous = tmp_path / folder, previous or tiny.warmup
        shards = [place / f"shard-{k}.h5" for k in range(chosen.shards if METHODS[method].needs_pseudo_labels else 0)]
        for k, shard in enumerate(shards):
            call_stage(
                "label",
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
                labels=shard,
                probabilities=shard.with_name(f"probability-{k}.h5"),
            )
        call_stage(
            "round",
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
            previous_state=previous.with_name("training_state.pt") if round > 1 else None,
            probabilities=[shard.with_name(f"probability-{k}.h5") for k, shard in enumerate(shards)],
            student=tiny.student if METHODS[method].has_student and round == 1 else None,
            checkpoint=place / "checkpoint.pt",
            state=place / "training_state.pt",
            architecture=place / "architecture.json",
            metrics=place / "metrics.csv",
            guide=place / "guide.json" if chosen.cosearch else None,
            log=place / "log.txt",
        )
        return place

    return run
