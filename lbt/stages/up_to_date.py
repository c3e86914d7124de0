"""Whether a manifest is what its stage would write now: made of the settings, code and images of this run.

Snakemake compares these with its own records. Where it has none, because the results were copied without them, it
takes whatever is there for what is wanted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lbt.config import Settings
from lbt.provenance.fingerprint import fingerprint
from lbt.stages.settings import stage_settings
from lbt.stages.table import STAGES


def code_of_job(stage: str, method: str = "") -> str:
    """The fingerprint of a job's code; a search round runs the one module of its method too."""
    return fingerprint(*STAGES[stage].modules(method))


@dataclass(frozen=True)
class Expected:
    """What the jobs of a run have in their manifests.

    Attributes:
        settings: of the run.
        images: digests of the images that a stage reads, given its name and its method; None where they are drawn.
    """

    settings: Settings
    images: Callable[[str, str], Any]

    def is_met(self, manifest: Mapping[str, Any]) -> bool:
        """Whether a manifest has the settings, code and images that its job has now."""
        stage, found = manifest["stage"], manifest["settings"]
        if stage not in STAGES or not found.keys() >= set(STAGES[stage].scalars):
            return False
        job = {name: found[name] for name in STAGES[stage].scalars}
        if job.get("method", "lbt") not in self.settings.methods:
            return False
        method = job.get("method", "")
        return (
            found == json.loads(stage_settings(self.settings, stage, job))
            and manifest["code"] == code_of_job(stage, method)
            and manifest["images"] == self.images(stage, method)
        )
