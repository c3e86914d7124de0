"""The stage that derives a discrete network from a searched architecture, or draws a random one for the control."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lbt.config import SpaceSettings
from lbt.config.network_jobs import DeriveJob
from lbt.config.round import RandomMatch, SearchWindow
from lbt.data.classes import class_table
from lbt.derivation.candidate_table import choose_candidate
from lbt.derivation.draw_at_latency import draw_genotype
from lbt.errors import LbtError
from lbt.files import read_json, write_json, write_text
from lbt.latency.expected import genotype_latency
from lbt.latency.table import LatencyTable, read_table, settings_key
from lbt.network.candidates import Rule, list_candidates, needs_candidates
from lbt.network.derivation_rule import derive_genotype
from lbt.network.genotype import Genotype, read_genotype
from lbt.space.architecture import architecture_from_json


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        architecture: the logits after the last round.
        table: the latency table.
        match: genotype whose predicted latency a random network must have; if absent, `search.random_match` decides.
        candidates: scores of the networks that may be derived, if the settings compare scores.
        genotype: receives the discrete architecture as JSON.
    """

    architecture: Path
    table: Path
    genotype: Path
    match: Path | None = None
    candidates: Path | None = None


def run(settings: DeriveJob[SearchWindow], files: Files, *, log: Path | None = None) -> None:
    """Write the genotype of a method: derived from the logits or, for a method without a search, drawn at random.

    Raises:
        LbtError: a file does not fit, the table was measured with different settings, or no random network meets the
            latency.
    """
    space, search, derivation = settings.space, settings.search, settings.derivation
    table = read_table(files.table)
    table.check_key(settings_key(settings.latency, settings.compute.threads, class_table(settings.data).num_classes))
    if isinstance(search, RandomMatch):
        genotype = draw_genotype(space, table, _window_ms(space, search, table, files.match), settings.seed)
    else:
        genotype = _derive(files.architecture, space, derivation.rule, table, files.candidates)
    write_json(files.genotype, genotype.to_json())
    if log is not None:
        predicted = genotype_latency(genotype, space, table)
        chosen = derivation.fps if derivation.rule == "search" and not isinstance(search, RandomMatch) else None
        window = search.fps if chosen is None else chosen
        write_text(log, f"derive {settings.method} seed-{settings.seed}: {_summary(genotype, predicted, window)}\n")


def _derive(
    architecture: Path, space: SpaceSettings, rule: Rule, table: LatencyTable, candidates: Path | None
) -> Genotype:
    logits = architecture_from_json(read_json(architecture), space, str(architecture))
    if rule != "search" and not needs_candidates(rule, space.branches):
        return derive_genotype(logits, space, rule=rule)
    if candidates is None:
        raise LbtError(
            "`derivation.rule: search` and `space.branches: best` compare scores. Give the stage the input "
            "`candidates`, which the stage of that name writes."
        )
    listed = list_candidates(logits, space, rule)
    return choose_candidate(candidates, listed, space, table, inside_only=rule == "search").genotype


def _window_ms(
    space: SpaceSettings, search: RandomMatch, table: LatencyTable, match: Path | None
) -> tuple[float, float] | None:
    """Least and most milliseconds of a random network; None if any latency is allowed."""
    if match is not None:
        target = genotype_latency(read_genotype(match, space), space, table)
        return target * (1 - search.random_tolerance), target * (1 + search.random_tolerance)
    if search.random_match == "window" and search.fps is not None:  # the settings demand fps with `window`
        return 1000 / search.fps[1], 1000 / search.fps[0]
    return None


def _summary(genotype: Genotype, milliseconds: float, fps: tuple[float, float] | None) -> str:
    scales, predicted = "+".join(str(branch.scale) for branch in reversed(genotype.branches)), 1000 / milliseconds
    text = f"branches {scales}, {milliseconds:.3f} ms and {predicted:.1f} FPS predicted"
    if fps is None:
        return text
    return f"{text}, {'inside' if fps[0] <= predicted <= fps[1] else 'outside'} the window {fps[0]:g} to {fps[1]:g} FPS"
