"""The ratio study: rows of runs that differ in the ratio alone, and a refusal of all others."""

import json
from pathlib import Path

import pytest

from lbt.__main__ import main
from lbt.files import digest, write_json, write_text
from lbt.provenance.manifest import write_manifest
from lbt.views.tables.ratio_files import is_ratio_current
from lbt.views.tables.terminal import SHOWN, fit_to_width, terminal_width

_LABELLED = "".join(f"s{i},s{i}.png,s{i}m.png,s,student_train\n" for i in range(4))
_UNLABELLED = "".join(f"u{i},u{i}.png,,u,unlabeled\n" for i in range(8))
SPLIT = f"image_id,image,label,group,role\n{_LABELLED}{_UNLABELLED}"


PROFILE = dict.fromkeys(("median_ms", "p95_ms", "fps", "predicted_ms", "parts_ms"), 5.0) | {
    "parameters": 1,
    "macs": 1,
}


def scores(miou: float) -> dict:
    return {"miou": miou, "iou": {"road": miou}, "confusion": [[1]]}


def make_run(folder: Path, ratio: float | None, miou: tuple[float, ...], lr: float = 0.1, split: str = SPLIT) -> Path:
    """The files of a finished run that the ratio study reads; `miou` of each seed."""
    write_text(folder / "data" / "split.csv", split)
    common = {"code": "c0de", "inputs": {}}
    outputs = [folder / "data" / "split.csv"]
    write_manifest(folder / "data" / ".manifest.json", stage="split", settings={"data": {}}, outputs=outputs, **common)
    for seed, value in enumerate(miou):
        place = folder / "search" / "lbt" / f"seed-{seed}" / "round-1"
        settings = {"search": {"pseudo_labels": {"ratio": ratio, "targets": "soft"}, "lr": lr}, "seed": seed}
        place.mkdir(parents=True)
        write_manifest(place / ".manifest.json", stage="round", settings=settings, outputs=[], **common)
        evaluated = folder / "evaluate" / "lbt" / f"seed-{seed}"
        write_json(evaluated / "network.json", scores(value))
        write_json(evaluated / "supernet.json", scores(value / 2))
    # another method does not learn from pseudo-labels, so its settings may differ
    place = folder / "search" / "fasterseg" / "seed-0" / "round-1"
    place.mkdir(parents=True)
    write_manifest(place / ".manifest.json", stage="round", settings={"ratio": str(ratio)}, outputs=[], **common)
    return folder


@pytest.fixture
def study(tmp_path):
    return [
        make_run(tmp_path / "all", None, (0.5, 0.7)),
        make_run(tmp_path / "half", 0.5, (0.2, 0.4)),
        make_run(tmp_path / "one", 1.0, (0.3, 0.3)),
    ]


def test_a_row_per_ratio_with_mean_and_deviation(study, tmp_path, capsys):
    assert main(["ratio", *map(str, study), "--output", str(tmp_path / "out")]) == 0
    rows = (tmp_path / "out" / "ratio.csv").read_text().splitlines()
    assert rows[1:] == [
        "lbt,0.5,2,4,2,0.15,0.0707106781187,0.3,0.141421356237",
        "lbt,1,4,4,2,0.15,0,0.3,0",
        "lbt,2,8,4,2,0.3,0.0707106781187,0.6,0.141421356237",  # all unlabelled images are twice the labelled ones
    ]
    printed = capsys.readouterr().out
    assert fit_to_width((tmp_path / "out" / "ratio.md").read_text(), terminal_width()) in printed
    assert (tmp_path / "out" / "ratio.html").is_file()


def other_tables(run: Path) -> None:
    for name in SHOWN:
        write_text(run / "tables" / f"{name}.md", f"## {name}\n")
        write_text(run / "tables" / f"{name}.html", "<p>")


def test_every_run_has_the_table_and_shows_it_while_the_scores_are_unchanged(study, capsys, monkeypatch):
    monkeypatch.chdir(study[0].parent)
    runs = [run.name for run in study]
    assert is_ratio_current(Path("half")) is None and main(["ratio", *runs]) == 0
    capsys.readouterr()
    for run in runs:
        other_tables(Path(run))
        assert main(["show", run]) == 0
        shown = capsys.readouterr().out
        assert "pseudo" in shown and f"{run}/tables/summary.html, " in shown and "decisions.html, ratio.html" in shown
    study[2].rename("gone")
    assert is_ratio_current(Path("half")) and is_ratio_current(Path("gone"))
    write_json(Path("half/evaluate/lbt/seed-0/network.json"), scores(0.9))
    assert not is_ratio_current(Path("half")) and not is_ratio_current(Path("all"))
    assert main(["show", "half"]) == 0
    shown = capsys.readouterr().out
    assert "pseudo" not in shown and "Run `python -m lbt ratio`" in shown


@pytest.mark.parametrize("content", ["{", "{}", "[]", "\x00"])
def test_a_damaged_manifest_does_not_stop_a_start(study, content):
    assert main(["ratio", *map(str, study)]) == 0 and is_ratio_current(study[0])
    (study[0] / "tables" / ".manifest-ratio.json").write_text(content)
    assert is_ratio_current(study[0]) is False


def test_with_another_folder_the_runs_are_not_touched(study, tmp_path):
    assert main(["ratio", *map(str, study), "--output", str(tmp_path / "out")]) == 0
    assert not any((run / "tables").exists() for run in study)


def test_one_seed_leaves_the_deviation_blank(tmp_path, capsys):
    runs = [make_run(tmp_path / "a", 0.5, (0.2,)), make_run(tmp_path / "b", 1.0, (0.3,))]
    assert main(["ratio", *map(str, runs), "--output", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "ratio.csv").read_text().splitlines()[1] == "lbt,0.5,2,4,1,0.1,,0.2,"


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"lr": 0.2}, "round-1/.manifest.json: search.lr: 0.1 | 0.2"),
        ({"miou": (0.2,)}, "seed-1/round-1/.manifest.json: code: c0de | absent"),
        ({"split": SPLIT + "u9,u9.png,,u,unlabeled\n"}, "data/split.csv: content"),
        ({"ratio": None}, "two of these runs label 8 images"),
        ({"ratio": 2.0}, "two of these runs label 8 images"),  # as many as without a ratio
    ],
    ids=["setting", "seeds", "split", "same ratio", "same number"],
)
def test_runs_with_other_differences_are_refused(study, tmp_path, capsys, other, named):
    odd = make_run(tmp_path / "odd", **{"ratio": 0.25, "miou": (0.2, 0.4)} | other)
    assert main(["ratio", str(study[0]), str(odd)]) == 1
    assert named in capsys.readouterr().err


def test_versions_and_code_must_agree(study, capsys):
    path = study[1] / "data" / ".manifest.json"
    manifest = json.loads(path.read_text())
    manifest["code"], manifest["versions"]["torch"] = "other", "0.1"
    content = {name: value for name, value in manifest.items() if name != "digest"}
    write_json(path, content | {"digest": digest(content)})
    assert main(["ratio", *map(str, study)]) == 1
    message = capsys.readouterr().err
    assert "data/.manifest.json: code: c0de | other" in message and "version of torch" in message


def test_a_folder_without_a_run_is_refused(study, tmp_path, capsys):
    assert main(["ratio", str(study[0])]) == 1
    assert "is one run; name two or more" in capsys.readouterr().err
    assert main(["ratio", str(study[0]), str(tmp_path / "nothing")]) == 1
    assert "nothing: no method of this run learns from pseudo labels" in capsys.readouterr().err
