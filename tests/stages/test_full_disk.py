"""A disk that fills up while an artefact is written: a message, the old file as it was, and nothing half-written."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from quick import quick_first

ROOT = Path(__file__).resolve().parents[2]
LARGEST = 8192

WRITERS = {
    "shard": """
from lbt.data.classes import ClassTable, class_table
from lbt.config import DataSettings
from lbt.pseudo_labels.shard_format import ShardIdentity
from lbt.pseudo_labels.shard_writer import ImagePrediction, write_shard
table, draw = class_table(DataSettings(classes=("road", "sky"))), np.random.default_rng(0)
images = [
    ImagePrediction(f"{i}", draw.integers(0, 2, (99, 99), np.uint8), draw.random((2, 13, 13), np.float32))
    for i in range(20)
]
sizes = {image.image_id: image.label.shape for image in images}
write_shard(path, path.with_name("soft"), images, sizes, table, ShardIdentity(1, "lbt", 0, "teacher", "code"))
""",
    "checkpoint": """
import torch
from lbt.runtime.checkpoint import save_checkpoint
save_checkpoint(path, kind="supernet", identity={}, state={"x": torch.rand(100_000)})
""",
    "metrics": """
from lbt.runtime.metrics_csv import write_metrics
write_metrics(path, [{"step": step, "loss": step / 7} for step in range(50_000)])
""",
    "manifest": """
from lbt.provenance.manifest import write_manifest
settings = {f"key {i}": i for i in range(50_000)}
write_manifest(path, stage="round", settings=settings, code="c0de", inputs={}, outputs=[])
""",
}
CHILD = """
import sys
from pathlib import Path
import numpy as np
from lbt.errors import LbtError
path = Path(sys.argv[1])
try:
    exec(sys.argv[2])
except LbtError as error:
    print(error)
    sys.exit(3)
"""


def limit():
    """No file above the limit in this process; to write more is an error, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST))


@pytest.fixture(params=["tmpfs", "limit"])
def disk(request, tmp_path):
    """A folder on a disk of 64 KiB, and what a process that writes there has to do first."""
    if request.param == "limit":
        yield tmp_path, limit
        return
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk can be mounted by root only")
    yield folder, None
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("kind", quick_first(2, WRITERS))
def test_a_disk_that_fills_up_is_a_message_and_leaves_the_old_file(kind, disk):
    folder, first = disk
    path = folder / "artefact"
    path.write_text("as it was")
    command = [sys.executable, "-c", CHILD, path, WRITERS[kind]]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        command, capture_output=True, text=True, preexec_fn=first, env=environment, check=False, timeout=120
    )
    assert result.returncode == 3, result.stdout + result.stderr
    assert f"{path}: could not be written" in result.stdout
    assert os.listdir(folder) == ["artefact"] and path.read_text() == "as it was"
