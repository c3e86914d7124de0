"""A finished run whose manifests a stranger has spoiled, and what reads them; see `watched_cases`."""

import json
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mutations import damage, mutate

from lbt.config import Settings
from lbt.errors import LbtError
from lbt.files import digest, write_text
from lbt.provenance.manifest import verify_inputs, write_manifest
from lbt.provenance.outdated import describe_outdated, find_outdated
from lbt.pseudo_labels.origin import read_origin
from lbt.stages.table import STAGES
from lbt.stages.up_to_date import describe_present, find_changes

SETTINGS = Settings()
CHAIN = {
    "split": "data/split.csv",
    "warmup": "warmup/seed-0/checkpoint.pt",
    "label": "search/lbt/seed-0/round-1/pseudo_labels/shard-000.h5",
    "round": "search/lbt/seed-0/round-1/checkpoint.pt",
    "unknown": "tables/unknown.md",
}
"""A file of each of these stages, which read the files of the ones before. The last one is of another version."""
JOB = {"seed": 0, "method": "lbt", "round": 1, "shard": 0}


def make_run(run: Path) -> None:
    """The files of a run and their manifests, which are up to date."""
    read: list[Path] = []
    for stage, name in CHAIN.items():
        output = run / name
        write_text(output, f"of {stage}")
        known = stage in STAGES
        now = describe_present(SETTINGS, None, stage, JOB) if known else {"settings": {}, "code": "c0de"}
        write_manifest(
            output.with_name(".manifest.json"), stage=stage, **now, inputs=verify_inputs(read), outputs=[output]
        )
        read.append(output)


def use(run: Path) -> str:
    """Everything that reads manifests, as text; raises LbtError if one of them refuses."""
    read = verify_inputs([run / name for name in CHAIN.values()])
    outdated = find_outdated(run, lambda manifest: find_changes(manifest, SETTINGS, None))
    origin = read_origin(run / CHAIN["label"])
    made = None if origin is None else (origin.code, origin.teacher)  # None if the manifest lists another shard
    said = (sorted(file.sha256 for file in read.values()), made)
    return f"{said} {describe_outdated(outdated, ['--configfile', 'settings.yaml'])}"


def case(folder: Path, draw: random.Random) -> Iterator[str]:
    """Spoil one manifest, mostly with a digest that fits, and read all."""
    run = folder / "results" / "run"
    make_run(run)
    before = use(run)
    path = draw.choice(sorted(run.rglob(".manifest*.json")))
    if draw.random() < 0.25:
        content, what = damage(path.read_bytes(), draw)
    else:
        value, what = mutate(json.loads(path.read_text()), draw)
        if isinstance(value, dict) and draw.random() < 0.8:
            value.pop("digest", None)
            with suppress(ValueError, TypeError, RecursionError):  # NaN, keys of two types, 3000 lists in each other
                value["digest"] = digest(value)
        content = _to_json(value).encode()
    path.write_bytes(content)
    yield f"{path.relative_to(run)}: {what}"
    try:
        after = use(run)
    except LbtError as error:
        assert "manifest" in str(error), error
        yield "refused"
        return
    yield "same" if after == before else "outdated"


def _to_json(value: object) -> str:
    try:
        return json.dumps(value, skipkeys=True)
    except RecursionError:
        return "[" * 100_000
