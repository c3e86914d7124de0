"""Derivation: the released rule, the best of the scored networks, or a random one at a given latency."""

import csv
import math
from dataclasses import asdict

import pytest
import torch
from stage_calls import call_stage

from lbt.config import ComputeSettings, DataSettings, DerivationSettings, LatencySettings, SearchSettings, SpaceSettings
from lbt.derivation.candidate_table import describe_candidates
from lbt.errors import LbtError
from lbt.files import write_json
from lbt.latency.expected import genotype_latency
from lbt.latency.parts import list_space_parts
from lbt.latency.table import TableKey, read_table
from lbt.network.candidates import list_candidates
from lbt.network.derivation_rule import derive_genotype
from lbt.network.genotype import read_genotype
from lbt.runtime.metrics_csv import write_metrics
from lbt.space.architecture import architecture_to_json, initial_architecture

SPACE = SpaceSettings(layers=6, base_width=2, width_twelfths=(6, 12))
BEST = SPACE.model_copy(update={"branches": "best"})


@pytest.fixture
def job(tmp_path):
    return Job(tmp_path)


class Job:
    def __init__(self, folder):
        self.folder, self.log = folder, folder / "log.txt"
        self.architecture = draw(1)
        write_json(folder / "architecture.json", architecture_to_json(self.architecture))
        self.write_table(0.01)

    def write_table(self, per_channel):
        key = asdict(TableKey("invented", "eager", "float32", 64, 64, 1, 3, "none"))
        rows = [
            {**key, **asdict(part), "median_ms": per_channel * part.in_channels + 3.2 / part.scale, "iqr_ms": 0.0}
            for part in list_space_parts(SPACE, 3)
        ]
        write_metrics(self.folder / "table.csv", rows)
        self.table = read_table(self.folder / "table.csv")

    def derive(
        self, method="lbt", space=SPACE, rule="consistent", candidates=None, match=None, seed=0, table=None, **search
    ):
        output, search = self.folder / "genotype.json", SearchSettings(**search)
        call_stage(
            "derive",
            seed=seed,
            method=method,
            data=DataSettings(classes=("road", "car", "sky")),
            space=space,
            latency=LatencySettings(input_size=(64, 64)),
            search=search,
            derivation=DerivationSettings(rule=rule),
            compute=ComputeSettings(threads=1),
            architecture=self.folder / "architecture.json",
            table=table or self.folder / "table.csv",
            genotype=output,
            match=match,
            candidates=candidates,
            log=self.log,
        )
        return read_genotype(output, space)

    def milliseconds(self, genotype, space=SPACE):
        return genotype_latency(genotype, space, self.table)

    def scored(self, scores, *, rule="search", space=SPACE, window=None, architecture=None):
        """The candidates, and a table that gives the i-th one the i-th score; None is no score."""
        found = list_candidates(architecture or self.architecture, space, rule)
        rows = describe_candidates(found, space, self.table, window)
        for row, score in zip(rows, scores, strict=False):
            if score is not None:
                row |= {"miou": score, "objective": score}
        path = self.folder / "candidates.csv"
        write_metrics(path, rows)
        return found, path


def draw(seed):
    return {k: 1000 * v for k, v in initial_architecture(SPACE, torch.Generator().manual_seed(seed)).items()}


def test_the_released_rule_needs_no_scores(job):
    assert job.derive() == derive_genotype(job.architecture, SPACE)
    milliseconds = job.milliseconds(derive_genotype(job.architecture, SPACE))
    expected = f"branches 16+32, {milliseconds:.3f} ms and {1000 / milliseconds:.1f} FPS predicted"
    assert job.log.read_text() == f"derive lbt seed-0: {expected}\n"


@pytest.mark.parametrize(("factors", "word"), [((0.5, 2), "inside"), ((2, 3), "outside")])
def test_the_log_says_whether_the_network_is_inside_the_window(job, factors, word):
    fps = 1000 / job.milliseconds(derive_genotype(job.architecture, SPACE))
    window = (round(fps * factors[0], 1), round(fps * factors[1], 1))
    job.derive(fps=window)
    assert f"FPS predicted, {word} the window {window[0]:g} to {window[1]:g} FPS\n" in job.log.read_text()


def test_the_network_with_the_best_score_is_chosen(job):
    found, path = job.scored([0.1, 0.2, 0.7, 0.7, None, 0.3])
    assert job.derive(rule="search", candidates=path) == found[2].genotype


def test_a_better_network_outside_the_window_is_not_chosen(job):
    found, _ = job.scored([])
    speeds = [1000 / job.milliseconds(candidate.genotype) for candidate in found]
    window = (sorted(speeds)[4], sorted(speeds)[7])
    inside = [i for i, fps in enumerate(speeds) if window[0] <= fps <= window[1]]
    scores = [0.4 if i in inside else 0.9 for i in range(len(found))]
    scores[inside[1]] = 0.5
    _, path = job.scored(scores, window=window)
    assert job.derive(rule="search", candidates=path) == found[inside[1]].genotype


@pytest.mark.parametrize("winner", [0, 1])
def test_the_released_rule_chooses_the_better_ends_inside_or_outside_the_window(job, winner):
    scores = [0.5, 0.4] if winner == 0 else [0.4, 0.5]
    _, path = job.scored(scores, rule="released", space=BEST, window=(1e-3, 2e-3))
    ends = [(32, 16), (32, 8)][winner]
    assert job.derive(space=BEST, candidates=path) == derive_genotype(job.architecture, BEST, ends)
    assert f"branches {['16+32', '8+32'][winner]}, " in job.log.read_text()


def test_scores_of_another_architecture_are_refused(job):
    _, path = job.scored([0.5] * 12, architecture=draw(2))
    with pytest.raises(LbtError, match=r"candidates\.csv.*The file belongs to others\. Delete it and rerun") as caught:
        job.derive(rule="search", candidates=path)
    assert "probability is" in str(caught.value) and "line 2" in str(caught.value)


def test_scores_by_another_latency_table_are_refused(job):
    _, path = job.scored([0.5] * 12)
    job.write_table(0.02)
    with pytest.raises(LbtError, match=r"line 2: predicted_ms is .* latency table give"):
        job.derive(rule="search", candidates=path)


def test_scores_by_another_rule_or_space_are_refused(job):
    _, path = job.scored([0.5])
    with pytest.raises(
        LbtError, match=r"candidates\.csv, line 3: lists a network that this architecture and space do not have"
    ):
        job.derive(space=BEST, candidates=path)


def test_scores_of_a_processor_that_rounds_differently_are_accepted(job):
    found, path = job.scored([0.1, 0.6])
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["probability"] = repr(math.nextafter(float(row["probability"]), 1))
    write_metrics(path, [rows[1], rows[0], *rows[2:]])  # nearly equal paths may change places
    assert job.derive(rule="search", candidates=path) == found[1].genotype


def test_settings_that_compare_scores_need_them(job):
    for settings in ({"rule": "search"}, {"space": BEST}):
        with pytest.raises(LbtError, match=r"compare scores\. Give the stage the input `candidates`"):
            job.derive(**settings)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text.replace(",objective", ",score"), r"needed are index, branches, .*, objective"),
        (lambda text: "", "has the columns none"),
        (lambda text: text.replace(",0.5\n", ",best\n"), r"line 2: objective is 'best', which is not a number"),
        (lambda text: text.replace(",0.5,0.5\n", ",,\n"), "scores no network that may be derived"),
        (lambda text: "\n".join(text.splitlines()[:-1]) + "\n", "does not list each network .* once"),
        (lambda text: text + text.splitlines()[-1] + "\n", "does not list each network .* once"),
        (lambda text: text + '"', "is not a CSV table"),
    ],
    ids=["columns", "empty", "number", "no score", "missing row", "double row", "quote"],
)
def test_a_damaged_table_is_refused(job, edit, message):
    _, path = job.scored([0.5])
    path.write_text(edit(path.read_text()))
    with pytest.raises(LbtError, match=message) as caught:
        job.derive(rule="search", candidates=path)
    assert "candidates.csv" in str(caught.value) and "rerun the stage `candidates`" in str(caught.value)


def test_a_missing_table_is_named(job):
    with pytest.raises(LbtError, match=r"absent\.csv: could not be read"):
        job.derive(rule="search", candidates=job.folder / "absent.csv")


def test_a_random_network_matches_the_latency_of_another(job):
    searched = derive_genotype(job.architecture, SPACE)
    match = job.folder / "match.json"
    write_json(match, searched.to_json())
    drawn = [job.derive("random", match=match, seed=seed, random_tolerance=0.05) for seed in range(5)]
    target = job.milliseconds(searched)
    assert all(abs(job.milliseconds(genotype) - target) <= 0.05 * target for genotype in drawn)
    assert len(set(drawn)) > 1
    assert job.derive("random", match=match, seed=3, random_tolerance=0.05) == drawn[3]


def test_a_random_network_meets_the_window(job):
    searched = 1000 / job.milliseconds(derive_genotype(job.architecture, SPACE))
    window = (searched * 0.9, searched * 1.02)
    for seed in range(5):
        genotype = job.derive("random", seed=seed, random_match="window", fps=window)
        assert window[0] <= 1000 / job.milliseconds(genotype) <= window[1]
        assert "derive random" in job.log.read_text() and "inside the window" in job.log.read_text()


def test_a_random_network_may_have_any_latency(job):
    drawn = [job.derive("random", seed=seed, random_match="none", rule="search") for seed in range(8)]
    assert len({round(job.milliseconds(genotype), 1) for genotype in drawn}) > 3


@pytest.mark.parametrize("method", ["lbt", "random"])
def test_a_table_of_another_key_is_refused_first(job, refused_by_key, method):
    (job.folder / "architecture.json").unlink()
    refused_by_key(job.folder / "table.csv", lambda table: job.derive(method, random_match="none", table=table))


def test_a_genotype_to_match_with_other_ends_is_refused(job):
    match = job.folder / "match.json"
    write_json(match, derive_genotype(job.architecture, SPACE, (32, 8)).to_json())
    with pytest.raises(
        LbtError, match=r"match\.json: branches: end at the scales \[32, 8\], but `space\.branches: 16\+32`"
    ):
        job.derive("random", match=match)
