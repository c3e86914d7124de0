"""Runs side by side: their networks, the settings that differ, and what keeps their numbers from being compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lbt.config import BASELINES, Settings
from lbt.config.read import read_settings
from lbt.data.splits import read_split
from lbt.errors import LbtError, visible
from lbt.provenance.manifest import PATTERN, Manifest, read_manifest
from lbt.provenance.older_version import refuse_older
from lbt.views.equal_networks import NOISE
from lbt.views.results import (
    ConstantScores,
    NetworkResult,
    find_settings,
    identify,
    list_scores,
    mark_role,
    read_part,
    read_results,
)
from lbt.views.tables.latency import describe_device

_NAMES = ("run", "methods", "baselines", "seeds")
"""Settings that rows of the table show anyway."""
_FOR_PEOPLE = ("check", "settings", "gallery", "tables", "compare", "draw", "pack", "cards")
"""Stages whose code changes no number."""
_CODE = "code of stage "


@dataclass(frozen=True)
class ComparedRun:
    """A run with at least one finished network.

    Attributes:
        name: of its folder, or the whole path if two folders have this name.
        settings: all on which results depend, by their dotted key.
        window: the wanted frames per second.
        networks: those that are finished.
        constant: scores of the constant prediction, once there are some.
        evaluated: the classes and the evaluation images, in parts that equal runs share.
        made_by: code of each stage by the method that it ran, and versions of the software, as the manifests say.
    """

    name: str
    settings: Mapping[str, Any]
    window: tuple[float, float] | None
    networks: Sequence[NetworkResult]
    constant: Mapping[str, Any] | None
    evaluated: Mapping[str, Any]
    made_by: Mapping[tuple[str, str], frozenset[str]]

    def name_method(self, method: str) -> str:
        """A method of this run among those of others, such as `half: lbt`."""
        return f"{self.name}: {method}{mark_role(method)}"


def read_runs(folders: Sequence[Path]) -> list[ComparedRun]:
    """Read runs that can be compared, in the given order.

    Raises:
        LbtError: fewer than two folders, one that is given twice, or one without a finished network; a file cannot be
            read; two runs were scored on other images or classes.
    """
    if len({folder.resolve() for folder in folders}) < max(2, len(folders)):
        raise LbtError(f"{folders[0]}: is the only run, or is named twice. Name two or more runs.")
    names = [folder.resolve().name for folder in folders]
    runs = [
        _read(folder, visible(name if names.count(name) == 1 else str(folder)))
        for folder, name in zip(folders, names, strict=True)
    ]
    for other in runs[1:]:
        _require_same_images(runs[0], other)
    return runs


def name_networks(runs: Sequence[ComparedRun]) -> list[NetworkResult]:
    """The networks of all runs as if of one run, their methods named with their run."""
    return [replace(network, method=run.name_method(network.method)) for run in runs for network in run.networks]


def find_differing_settings(runs: Sequence[ComparedRun]) -> dict[str, list[Any]]:
    """The value of each run for every setting in which they differ, by the dotted key; None where it is absent."""
    keys = dict.fromkeys(key for run in runs for key in run.settings)
    values = {key: [run.settings.get(key) for run in runs] for key in keys}
    return {key: found for key, found in values.items() if any(value != found[0] for value in found)}


def explain_equal(runs: Sequence[ComparedRun]) -> str:
    """What the difference of equal networks of several runs is."""
    return "noise or due to the settings" if find_differing_settings(runs) else NOISE


def list_caveats(runs: Sequence[ComparedRun]) -> Iterator[str]:
    """Sentences on what else may explain a difference between the runs: code, versions, devices."""
    shared = set.intersection(*(set(run.made_by) for run in runs))
    other = sorted({what for what, method in shared if len({run.made_by[what, method] for run in runs}) > 1})
    codes = [what.removeprefix(_CODE) for what in other if what.startswith(_CODE)]
    rest = [what for what in other if not what.startswith(_CODE)]
    if other:
        same = ", ".join([*([f"code ({', '.join(codes)})"] if codes else []), *rest])
        yield f"Not all runs were made by the same {same}. It may explain a part of their differences."
    devices = {describe_device(network.profile) for run in runs for network in run.networks}
    if len(devices) > 1:
        yield f"Latencies were measured in {len(devices)} ways, so do not compare them: {'; '.join(sorted(devices))}."


def _read(folder: Path, name: str) -> ComparedRun:
    refuse_older(folder)
    settings = read_settings(find_settings(folder))
    networks = _read_networks(folder, settings)
    if not networks:
        raise LbtError(f"{folder}: has no finished network. Finish the run, or leave it out.")
    constant = folder / "evaluate" / "constant" / "constant.json"
    manifests = [read_manifest(path) for path in sorted(folder.rglob(PATTERN))]
    return ComparedRun(
        name=name,
        settings={k: value for k, value in _flatten(settings.tracked()) if k.partition(".")[0] not in _NAMES},
        window=settings.derivation.fps or settings.search.fps,
        networks=networks,
        constant=read_part(constant, ConstantScores) if constant.exists() else None,
        evaluated=_describe_images(folder, networks[0], manifests),
        made_by=_describe_making(manifests),
    )


def _read_networks(folder: Path, settings: Settings) -> list[NetworkResult]:
    files: dict[str, list[Path]] = {name: [] for name in ("supernet", "network", "profile", "genotype")}
    for scores in list_scores(folder):
        place = "/".join(scores.parts[-3:-1])
        found = {"network": scores, "profile": folder / f"profile/{place}/profile.json"}
        if identify(scores)[0] not in BASELINES:
            found["supernet"] = scores.with_name("supernet.json")
            found["genotype"] = folder / f"derive/{place}/genotype.json"
        if all(file.is_file() for file in found.values()):
            for name, file in found.items():
                files[name].append(file)
    return read_results(**files, space=settings.space)


def _describe_images(folder: Path, network: NetworkResult, manifests: Sequence[Manifest]) -> dict[str, Any]:
    """Classes, names and labelled pixels of the evaluation images, and the digests of their files.

    There are no digests of synthetic scenes, but equal pixels of each class mean equal masks.
    """
    scores = network.network
    digests = [found.images for found in manifests if found.stage == "evaluate_network" and found.images is not None]
    return {
        "classes": tuple(scores["iou"]),
        "names of the images": tuple(sample.id for sample in read_split(folder / "data" / "split.csv", "evaluation")),
        "labelled pixels of the classes": tuple(map(sum, scores["confusion"])),
        "contents of the images": digests[:1],
    }


def _require_same_images(first: ComparedRun, other: ComparedRun) -> None:
    for name, value in first.evaluated.items():
        if value != other.evaluated[name]:
            raise LbtError(
                f"{first.name} and {other.name} were scored on other data (the {name} differ), so their mIoU cannot be "
                "compared. Name runs with the same evaluation images and classes."
            )


def _describe_making(manifests: Sequence[Manifest]) -> dict[tuple[str, str], frozenset[str]]:
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for manifest in manifests:
        if manifest.stage not in _FOR_PEOPLE:  # a stage runs other code for each method
            found[f"{_CODE}{manifest.stage}", str(manifest.settings.get("method"))].add(manifest.code)
            for name, version in manifest.versions.items():
                found[f"version of {name}", ""].add(version)
    return {name: frozenset(values) for name, values in found.items()}


def _flatten(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """The values of nested settings with their dotted keys."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flatten(inner, f"{key}.{name}" if key else name)
    else:
        yield key, value
