"""Places of a student's first weights."""

from pathlib import Path
from urllib.error import URLError

import pytest
import torch


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
