"""What a run leaves of its data set: the split, the record of files and manifests, without any real work."""

import csv
import io
from pathlib import Path

from lbt.config import Settings
from lbt.config.jobs import CheckJob, pick_settings
from lbt.data.file_versions import record_contents
from lbt.data.splits import COLUMNS
from lbt.data.write_split import split_dataset
from lbt.files import write_json, write_text
from lbt.provenance.manifest import write_manifest


def leave_data(found: Settings, run: Path, trained: bool = True) -> None:
    """Write the files of a run's data and, if it is `trained`, a manifest of trained weights."""
    data = run / "data"
    roles = split_dataset(found.data, found.splits)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows((s.id, s.image, s.label or "", s.group, role) for role, members in roles.items() for s in members)
    write_text(data / "split.csv", text.getvalue())
    record_contents(found.data, found.splits, data / "files.csv")
    write_json(data / "check.json", {})
    job = pick_settings(CheckJob, found)
    for path in (data / ".manifest-check.json", *([run / "warmup/seed-0/.manifest.json"] if trained else [])):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_manifest(path, stage="check", settings=job.tracked(), code="c", inputs={}, outputs=[])
