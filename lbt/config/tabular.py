"""Settings of the table of trained networks."""

from __future__ import annotations

from pydantic import Field

from lbt.config.base import Section


class TabularJobs(Section):
    """The key of `tabular` that divides the work."""

    per_job: int = Field(
        8, ge=1, le=100_000, description="Networks that a job trains one after another; it resumes after each."
    )


class TabularSettings(TabularJobs):
    """A table of the networks of a small space, each trained with all `seeds`."""

    ORDER = ("networks", "per_job")

    networks: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description="How many networks to train, the first of a random order, rounded up to whole jobs; absent: all. A "
        "larger number keeps the finished ones.",
    )
