"""The stages that make a table, on tiny data: scores against the stages of a run, resuming, latency, joining."""

import csv
import json
import signal

import pytest
import torch
from stage_calls import call_stage

from lbt.config import SpaceSettings
from lbt.config.tabular import TabularSettings
from lbt.data.classes import class_table
from lbt.data.sample import Sample
from lbt.errors import LbtError, Stopped
from lbt.evaluation.scores import intersection_over_union
from lbt.files import read_json, write_json
from lbt.network.enumeration import genotype_text, list_genotypes
from lbt.network.network import Network
from lbt.network.size import count_macs, count_parameters
from lbt.runtime.resume import Resume
from lbt.tabular import scores
from lbt.tabular.networks import count_jobs, networks_of_job, order_networks
from lbt.tabular.table import load

SPACE = SpaceSettings(
    layers=4, base_width=2, branches="32", width_twelfths=(8,), operators=("conv", "zoom"), stem_twelfths=8
)


@pytest.fixture
def settings(tiny):
    update = {"space": SPACE, "tabular": TabularSettings(networks=3, per_job=2)}
    return tiny.settings.model_copy(update=update)


@pytest.fixture
def score(tiny, settings, tmp_path):
    """Train and score the networks of a job: `score(name, job)` returns the rows without their seconds."""

    def run(name: str, job: int = 0, **options) -> list[dict[str, str]]:
        call_stage(
            "tabular_scores",
            settings,
            job=job,
            seed=options.pop("seed", 0),
            split=tiny.split,
            class_pixels=tiny.class_pixels,
            scores=tmp_path / name,
            code="c0de",
            **options,
        )
        with open(tmp_path / name, encoding="utf-8", newline="") as file:
            return [row | {"seconds": ""} for row in csv.DictReader(file)]

    return run


def test_order_is_a_permutation_that_jobs_divide() -> None:
    ordered = [genotype_text(genotype) for genotype in order_networks(SPACE)]
    listed = [genotype_text(genotype) for genotype in list_genotypes(SPACE)]
    assert ordered != listed and sorted(ordered) == sorted(listed)
    jobs = [networks_of_job(SPACE, 5, job) for job in range(count_jobs(SPACE, TabularSettings(per_job=5)))]
    assert [len(job) for job in jobs] == [5, 5, 5, 1]
    assert [number for job in jobs for number, _ in job] == list(range(16))
    assert [genotype_text(genotype) for job in jobs for _, genotype in job] == ordered
    assert count_jobs(SPACE, TabularSettings(networks=6, per_job=5)) == 2
    assert count_jobs(SPACE, TabularSettings(networks=99, per_job=5)) == 4
    with pytest.raises(LbtError, match="skip"):
        count_jobs(SpaceSettings(), TabularSettings())


def test_scores_are_those_of_retraining_and_evaluation(tiny, settings, score, tmp_path) -> None:
    rows = score("scores.csv")
    assert [row["network"] for row in rows] == ["0", "1"]
    number, genotype = networks_of_job(SPACE, 2, 0)[1]
    write_json(tmp_path / "genotype.json", genotype.to_json())
    call_stage(
        "retrain",
        settings,
        split=tiny.split,
        genotype=tmp_path / "genotype.json",
        class_pixels=tiny.class_pixels,
        network=tmp_path / "network.pt",
        metrics=tmp_path / "metrics.csv",
    )
    names = ("scores", "images", "pictures", "predictions")
    files = {name: tmp_path / name for name in names}
    call_stage("evaluate_network", settings, split=tiny.split, network=tmp_path / "network.pt", **files)
    expected = read_json(tmp_path / "scores")
    assert rows[number]["genotype"] == genotype_text(genotype) and rows[number]["code"] == "c0de"
    assert float(rows[number]["miou_all"]) == pytest.approx(expected["miou"], abs=1e-5)
    for name, iou in expected["iou"].items():
        found = rows[number][f"iou_all_{name}"]
        assert found == "" if iou is None else float(found) == pytest.approx(iou, abs=1e-5)


def test_stopped_job_resumes_after_its_last_network(score, tmp_path, monkeypatch) -> None:
    whole = score("whole.csv")
    train, trained = scores._train, []

    def stop_after_first(*arguments):
        if trained:
            raise Stopped("stopped", signal.SIGTERM)
        trained.append(arguments)
        return train(*arguments)

    def resume() -> Resume:
        return Resume(tmp_path / "side", {"a": 1}, 5.0)

    monkeypatch.setattr(scores, "_train", stop_after_first)
    with pytest.raises(Stopped):
        score("part.csv", resume=resume())
    assert not (tmp_path / "part.csv").exists()
    seen = []
    monkeypatch.setattr(scores, "_train", lambda *given: (seen.append(given), train(*given))[1])
    assert score("part.csv", resume=resume()) == whole
    assert len(seen) == 1 and genotype_text(seen[0][2]) == whole[1]["genotype"]


def test_columns_hold_each_part_and_all(tiny) -> None:
    table = class_table(tiny.settings.data)
    count = table.num_classes
    draw = torch.Generator().manual_seed(0)
    parts = {name: torch.randint(9, (count, count), generator=draw) for name in ("near", "far")}
    parts["far"][0] = 0  # a class without a pixel there
    row = scores.score_columns(parts, table)
    assert list(row)[:3] == ["miou_near", "miou_far", "miou_all"] and len(row) == 3 * (1 + count)
    for name, confusion in (*parts.items(), ("all", parts["near"] + parts["far"])):
        iou = intersection_over_union(confusion)
        assert row[f"miou_{name}"] == pytest.approx(float(iou.nanmean()), abs=1e-5)
        assert row[f"iou_{name}_{table.names[2]}"] == pytest.approx(float(iou[2]), abs=1e-5)
    samples = [Sample(f"{i}", f"images/{folder}/{i}.png", None, "g") for i, folder in enumerate(("b", "a", "b"))]
    assert scores.divide_by_folder(samples) == {"b": [samples[0], samples[2]], "a": [samples[1]]}


def test_latency_and_scores_are_joined(settings, score, tmp_path) -> None:
    for seed in (0, 1):
        score(f"scores-{seed}.csv", seed=seed)
    times = {"times": tmp_path / "latency.csv", "key": tmp_path / "key.json"}
    call_stage("tabular_latency", settings, **times)
    made = {name: tmp_path / f"table.{end}" for name, end in (("table", "csv"), ("facts", "json"))}
    inputs = {"scores": [tmp_path / f"scores-{seed}.csv" for seed in (0, 1)], **times}
    call_stage("tabular_table", settings, **inputs, **made, noise=tmp_path / "noise.csv")
    table = load(made["table"])
    assert table.space == SPACE and table.frame["seed"].tolist() == [0, 1, 0, 1]
    assert [genotype_text(g) for g in table.genotypes] == [genotype_text(g) for _, g in networks_of_job(SPACE, 2, 0)]
    network = Network(table.genotypes[1], SPACE, class_table(settings.data).num_classes)
    (size,) = {tuple(row) for row in table.frame.loc[table.frame["network"] == 1, ["parameters", "macs"]].to_numpy()}
    assert size == (count_parameters(network), count_macs(network, settings.latency.input_size))
    assert (table.frame["latency_ms"] > 0).all()
    with open(tmp_path / "noise.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["part"] for row in rows] == table.parts and {row["networks"] for row in rows} == {"2"}
    means = table.scores(table.parts[0])
    assert float(rows[0]["mean"]) == pytest.approx(100 * means.mean(), abs=1e-3)
    assert json.loads(made["facts"].read_text())["latency"]["threads"] == settings.compute.threads
