"""Tables, figures and cosines of searches: made-up tables and architectures, against direct computations."""

import shutil
from pathlib import Path
from statistics import mean

import numpy as np
import pandas as pd
import pytest
import table_report
import torch
import yaml
from made_up_searches import SEEDS, SMALL, SPACE, architecture_of, write_searches, write_table
from paired import t_test
from stage_calls import call_stage
from table_gradients import compare_with_value, first_gradients, remove_shift
from table_report import main
from table_searches import BASE, RATIOS, RUNS

from lbt.config.unread import select_read
from lbt.data.classes import class_table
from lbt.errors import LbtError
from lbt.files import read_json
from lbt.network.enumeration import genotype_text, list_genotypes
from lbt.runtime.distributed import ALONE
from lbt.search.batches import RoundStreams
from lbt.space.architecture import architecture_to_json, first_architecture
from lbt.space.supernet_file import load_supernet
from lbt.space.widths import argmax_widths
from lbt.tabular.table import load
from lbt.training.losses import supernet_loss


def test_the_report_holds_values_by_hand(tmp_path) -> None:
    table = load(write_table(tmp_path))
    found = write_searches(tmp_path, [RUNS[0], *RATIOS[:2]])
    shutil.rmtree(tmp_path / RUNS[0].name / "search" / "lbt" / "seed-2")  # not finished
    main([str(tmp_path), str(tmp_path / "out")])
    text = (tmp_path / "out" / "tables.md").read_text()
    value = {key: 100 * float(table.value(a, "val-stretches")) for key, a in found.items()}
    pairs = [value["lbt-best", seed] - value[BASE, seed] for seed in (0, 1)]
    assert f"| {mean(value['lbt-best', s] for s in (0, 1)):.2f} [" in text and f"| {mean(pairs):+.2f} [" in text
    ratio = mean(value["ratio-0.5", s] for s in SEEDS)
    assert f"| 0.5 | 3 | {ratio:.2f} [" in text and "minus ratio 1" in text
    assert f"reliability of these means is {table.reliability('val-stretches'):.3f}" in text
    assert "p = " not in text and "| lbt-best | 2 |" in text and "| none | 3 |" in text
    rows = pd.read_csv(tmp_path / "out" / "searches.csv")
    assert len(rows) == 3 + 2 + 3 + 6 + 3 and rows["tau_supernet"].isna().all()
    none = rows[(rows["variant"] == "none") & (rows["seed"] == 1)].iloc[0]
    first = 100 * float(table.value(first_architecture(SPACE, 1), "val-official"))
    assert none["value_val-official"] == pytest.approx(first, abs=1e-4)
    for name in ("values", "table", "ratios"):
        for ending in ("svg", "png"):
            assert (tmp_path / "out" / f"{name}.{ending}").stat().st_size > 1000

    main([str(tmp_path), str(tmp_path / "out"), "--final"])
    text = (tmp_path / "out" / "tables.md").read_text()
    assert f"2 pairs, paired t-test, two-sided: p = {t_test(pairs):.3g}" in text
    assert "Complete for one of both only: seeds 2." in text


def test_the_primary_test_leaves_out_what_the_plan_says(tmp_path) -> None:
    write_table(tmp_path)
    write_searches(tmp_path, RUNS[:1], range(4))
    main([str(tmp_path), str(tmp_path / "out"), "--final", "--stopped", "3"])
    text = (tmp_path / "out" / "tables.md").read_text()
    assert "3 pairs" in text and "stopped by itself: seeds 3." in text
    with pytest.raises(SystemExit, match=r"3 pairs are left out\. The plan then has no primary test"):
        main([str(tmp_path), str(tmp_path / "out"), "--final", "--stopped", "1", "2", "3"])
    with pytest.raises(SystemExit, match="holds no finished search of fasterseg"):
        main([str(tmp_path / "empty"), str(tmp_path), "--table", str(tmp_path / "lbt-bench" / "tabular" / "table.csv")])


def test_cosines_equal_a_direct_computation(tmp_path) -> None:
    table, architecture = load(write_table(tmp_path)), architecture_of(3)
    draw, names = np.random.default_rng(2), sorted(architecture)
    size = sum(architecture[name].numel() for name in names)
    sums = {term: draw.normal(size=(3, size)) for term in ("teacher", "student")}
    measured = {"steps": 4, "factor": 0.7, "architecture": architecture_to_json(architecture)}
    rows = compare_with_value(measured | {t: v.tolist() for t, v in sums.items()}, table, "val-stretches")
    means = {term: value.mean(0) for term, value in sums.items()}
    means["sum"] = means["teacher"] + 0.7 * means["student"]

    step, slopes, kept = 1e-4, [], {term: [] for term in means}
    start = 0
    for name in names:
        for row in range(len(architecture[name])):
            own, decides = [], False
            for column in range(architecture[name].shape[1]):
                ends = []
                for sign in (1, -1):
                    moved = {key: value.double().clone() for key, value in architecture.items()}
                    moved[name][row, column] += sign * step
                    ends.append(float(table.value(moved, "val-stretches")))
                own.append((ends[0] - ends[1]) / (2 * step))
            decides = max(map(abs, own)) > 1e-9
            stop = start + len(own)
            for term, vector in means.items():
                part = vector[start:stop] - vector[start:stop].mean()
                kept[term].append((part, decides))
            slopes.append((np.array(own), decides))
            start = stop
    for found in rows:
        chosen = [i for i, (_, decides) in enumerate(slopes) if decides or found["logits"] == "all"]
        a = np.concatenate([kept[found["gradient"]][i][0] for i in chosen])
        b = np.concatenate([slopes[i][0] for i in chosen])
        assert found["cosine"] == pytest.approx(-a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-5)
    assert len(rows) == 6 and 0 < sum(decides for _, decides in slopes) < len(slopes)


def test_a_shift_of_the_logits_has_no_effect() -> None:
    shapes = {name: value.shape for name, value in sorted(first_architecture(SPACE, 0).items())}
    shift = np.concatenate([np.repeat(np.arange(1.0, s[0] + 1), s[1]) for s in shapes.values()])
    noise = np.random.default_rng(0).normal(size=len(shift))
    assert remove_shift(shift, SPACE) == pytest.approx(0)
    assert remove_shift(noise + shift, SPACE) == pytest.approx(remove_shift(noise, SPACE))


@pytest.fixture(scope="module")
def results(tiny, tmp_path_factory) -> Path:
    """A run after its warm-ups and the labels of its first round, with made-up last rounds, and a table."""
    folder = tmp_path_factory.mktemp("results")
    space = tiny.settings.space.model_copy(update=SMALL)
    settings = tiny.settings.model_copy(update={"space": space})
    run = folder / RUNS[0].name
    for part in ("data", "warmup/seed-0", "student_warmup/seed-0"):
        (run / part).mkdir(parents=True)
    (run / "settings.yaml").write_text(yaml.safe_dump(select_read(settings)))
    shutil.copy(tiny.split, run / "data" / "split.csv")
    shutil.copy(tiny.student, run / "student_warmup" / "seed-0" / "checkpoint.pt")
    warmup = run / "warmup" / "seed-0" / "checkpoint.pt"
    call_stage("warmup", settings, split=tiny.split, checkpoint=warmup, metrics=folder / "warmup.csv")
    labels = run / "search" / "lbt" / "seed-0" / "round-1" / "pseudo_labels"
    labels.mkdir(parents=True)
    for shard in range(settings.search.shards):
        made = {"labels": labels / f"shard-{shard:03d}.h5", "probabilities": labels / f"probability-{shard:03d}.h5"}
        call_stage("label", settings, shard=shard, split=tiny.split, teacher=warmup, **made)
    write_table(folder, space)
    write_searches(folder, RUNS[:1], (0,), space)
    for last in run.glob("search/*/seed-0/round-5"):
        shutil.copy(warmup, last / "checkpoint.pt")
    return folder


@pytest.mark.exhaustive
def test_gradients_are_those_of_the_first_batches(results, tiny, tmp_path) -> None:
    run, file = results / RUNS[0].name, tmp_path / "seed-0.json"
    found = first_gradients(run, 0, file, sums=2, steps=1)
    settings = tiny.settings.model_copy(update={"space": tiny.settings.space.model_copy(update=SMALL)})
    classes, device = class_table(settings.data), torch.device("cpu")
    warmup = run / "warmup" / "seed-0" / "checkpoint.pt"
    supernet, architecture, _ = load_supernet(warmup, classes.names, settings.space, device)
    streams = RoundStreams(0, 1, tiny.split, classes, settings.data, settings.augmentation, device, 0)
    widths = argmax_widths(architecture, settings.space)  # there is one width
    for number, (images, labels) in enumerate(streams.labelled("teacher_val", "teacher_val", 2, 4)):
        leaves = {name: value.clone().requires_grad_() for name, value in architecture.items()}
        loss = supernet_loss(supernet.train()(images, leaves, widths), labels, ALONE)
        loss.backward()
        expected = torch.cat([leaves[name].grad.flatten() for name in sorted(leaves) if leaves[name].grad is not None])
        zero = {name for name in leaves if leaves[name].grad is None}
        shown = np.array(found["teacher"][number])
        kept = np.concatenate([np.full(leaves[name].numel(), name not in zero) for name in sorted(leaves)])
        assert shown[kept] == pytest.approx(expected.numpy(), rel=1e-4, abs=1e-7) and not shown[~kept].any()
    squares = {term: np.square(found[term]).sum() for term in ("teacher", "student")}
    assert squares["student"] > 0
    assert found["factor"] == pytest.approx((squares["teacher"] / squares["student"]) ** 0.5)
    assert first_gradients(run, 0, tmp_path / "again.json", sums=2, steps=1) == found
    with pytest.raises(LbtError, match="other settings"):
        first_gradients(run, 0, file, sums=3, steps=1)


@pytest.mark.exhaustive
def test_one_command_measures_what_is_missing(results, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(table_report, "SUMS", 2)
    monkeypatch.setattr(table_report, "STEPS", 2)
    main([str(results), str(tmp_path), "--measure"])
    text = (tmp_path / "tables.md").read_text()
    assert "**Gradients at the first architecture**" in text and "| sum, deciding | 1 |" in text
    rows = pd.read_csv(tmp_path / "searches.csv")
    assert rows.loc[rows["variant"] != "none", "tau_supernet"].notna().all() and len(rows) == 4
    measured = sorted(results.glob("lbt-bench-measures/*/seed-0.json"))
    assert [file.parent.name for file in measured] == [
        "gradients",
        "supernet-fasterseg",
        "supernet-lbt-best",
        "supernet-lpt",
    ]
    scores = read_json(measured[1])["measured"]
    assert set(scores) == {genotype_text(g) for g in list_genotypes(SPACE)}

    before = {file: file.stat().st_mtime_ns for file in measured}
    main([str(results), str(tmp_path / "again")])
    assert (tmp_path / "again" / "tables.md").read_text() == text
    assert before == {file: file.stat().st_mtime_ns for file in measured}
