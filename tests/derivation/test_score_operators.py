"""Operators by their removal: the decisions of a brute force on one-hot and masked supernets, and what is derived."""

import csv
import json
import math
import shutil
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from stage_calls import call_stage

from lbt.config import DerivationSettings, EvaluationSettings, SpaceSettings
from lbt.data.dataset import SegmentationDataset
from lbt.data.sample import spread_indices
from lbt.data.splits import read_split
from lbt.derivation.score_operators import cells_of_paths, decide_cells, without
from lbt.errors import LbtError
from lbt.files import write_json
from lbt.network.derivation_rule import derive_genotype, most_probable_path
from lbt.runtime.checkpoint import save_checkpoint
from lbt.runtime.distributed import ALONE
from lbt.runtime.resume import Resume
from lbt.space.architecture import OPERATORS, architecture_from_json, architecture_to_json, initial_architecture
from lbt.space.supernet import Supernet
from lbt.space.supernet_file import KIND, supernet_identity
from lbt.space.widths import argmax_widths
from lbt.training.losses import supernet_loss

SPACE = SpaceSettings(layers=4, base_width=2, width_twelfths=(6, 12), branches="32")
"""It has one path, (1, 2), so four cells are decided."""
CELLS = [(0, 8), (1, 8), (2, 16), (3, 32)]


def draw(seed, space=SPACE):
    drawn = initial_architecture(space, torch.Generator().manual_seed(seed))
    return {key: 1000 * logits for key, logits in drawn.items()}


class Job:
    """A supernet of random weights, and everything else that the stage reads."""

    def __init__(self, tiny, folder):
        self.tiny, self.folder, self.data = tiny, folder, tiny.settings.data
        self.architecture = draw(1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.supernet = Supernet(SPACE, tiny.classes.num_classes)
        write_json(folder / "architecture.json", architecture_to_json(self.architecture))
        save_checkpoint(
            folder / "checkpoint.pt",
            kind=KIND,
            identity=supernet_identity(tiny.classes.names, SPACE, 0, "lbt", 1),
            state={"supernet": self.supernet.state_dict(), "architecture": self.architecture},
        )

    def run(self, seed=0, images=2, folder=None, **options):
        folder = folder or self.folder
        call_stage(
            "operators",
            seed=seed,
            method="lbt",
            data=self.data,
            augmentation=self.tiny.settings.augmentation,
            space=SPACE,
            derivation=DerivationSettings(operators="removal", images=images),
            evaluation=EvaluationSettings(batch_size=2),
            compute=self.tiny.settings.compute,
            split=self.tiny.split,
            checkpoint=self.folder / "checkpoint.pt",
            architecture=self.folder / "architecture.json",
            operators=folder / "operators.csv",
            scored=folder / "scored.json",
            log=folder / "log.txt",
            **options,
        )
        scored = architecture_from_json(json.loads((folder / "scored.json").read_text()), SPACE)
        with open(folder / "operators.csv", encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file)), scored

    def loss(self, alpha_weights, images):
        """The loss with the softmax of each row of alpha replaced by weights that the caller worked out."""
        samples = read_split(self.tiny.split, "teacher_val")
        chosen = [samples[i] for i in spread_indices(len(samples), images)]
        items = SegmentationDataset(chosen, self.data, self.tiny.classes)
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (self.data.mean, self.data.std))
        inputs = torch.stack([(items[i][0].float() / 255 - mean) / std for i in range(len(items))])
        labels = torch.stack([items[i][1].long() for i in range(len(items))])
        logits = {**self.architecture, **{key: weights.log() for key, weights in alpha_weights.items()}}
        total = 0.0
        for start in range(0, images, 2):  # the last batch may be smaller
            part = slice(start, start + 2)
            with torch.no_grad():
                outputs = self.supernet.train()(inputs[part], logits, argmax_widths(self.architecture, SPACE))
                total += len(inputs[part]) * float(supernet_loss(outputs, labels[part], ALONE))
        return total / images


@pytest.fixture
def job(tiny, tmp_path):
    return Job(tiny, tmp_path)


def test_each_decision_is_that_of_a_brute_force(job):
    """Masks are written as weights here: 0 for the removed operator, the rest divided by what remains."""
    rows, scored = job.run(images=3)
    assert sorted((int(row["layer"]), int(row["scale"])) for row in rows) == CELLS
    weights = {key: logits.softmax(-1) for key, logits in job.architecture.items() if key.startswith("alpha")}
    for row in rows:
        key, place = f"alpha.{row['scale']}", int(row["layer"]) - {"8": 0, "16": 1, "32": 2}[row["scale"]]
        before, losses = job.loss(weights, 3), []
        assert float(row["loss"]) == pytest.approx(before, rel=1e-5)
        for removed in range(5):
            tried = {name: value.clone() for name, value in weights.items()}
            rest = 1 - tried[key][place, removed]
            tried[key][place] /= rest
            tried[key][place, removed] = 0
            losses.append(job.loss(tried, 3))
            assert float(row[OPERATORS[removed]]) == pytest.approx(losses[-1] - before, abs=2e-5 * before)
        margin = sorted(losses)[-1] - sorted(losses)[-2]
        assert margin > 1e-3  # far above rounding
        kept = losses.index(max(losses))
        assert row["kept"] == OPERATORS[kept] and int(scored[key][place].argmax()) == kept
        weights[key][place] = torch.eye(5)[kept]
    assert len({row["kept"] for row in rows}) > 1


def test_only_alpha_of_the_decided_cells_changes(job):
    rows, scored = job.run()
    for key, logits in job.architecture.items():
        expected = logits.clone()
        for row in rows:
            if key == f"alpha.{row['scale']}":
                expected[int(row["layer"]) - {"8": 0, "16": 1, "32": 2}[row["scale"]]] = torch.tensor(
                    [float(row[name]) for name in OPERATORS]
                )
        assert torch.equal(scored[key], expected)


def test_the_derived_network_has_the_kept_operators(job):
    rows, scored = job.run()
    (branch,) = derive_genotype(scored, SPACE).branches
    found = {cell.layer: cell.operator for cell in branch.cells}
    for row in rows:
        layer = int(row["layer"])
        if row["kept"] != "skip":
            assert found[layer] == row["kept"]
        elif layer in found:  # derived networks have no skip
            assert found[layer] == max(OPERATORS[1:], key=lambda name: float(row[name]))


def test_the_order_is_drawn_from_the_seed_and_the_file_repeats(job, tmp_path):
    orders = set()
    for seed in range(3):
        rows, _ = job.run(seed=seed, images=1)
        orders.add(tuple((row["layer"], row["scale"]) for row in rows))
    assert len(orders) == 3
    contents = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        job.run(images=1, folder=tmp_path / name)
        contents.append([(tmp_path / name / file).read_bytes() for file in ("operators.csv", "scored.json")])
    assert contents[0] == contents[1]


def test_an_interrupted_stage_resumes_after_the_last_decision(tmp_path):
    """The third cell fails; the next run decides it and the fourth only."""
    architecture, calls = draw(4), []

    def loss(logits, fails_after=math.inf):
        calls.append(logits)
        if len(calls) > fails_after:
            raise KeyboardInterrupt
        return sum(float((logits[key].softmax(-1) ** 2).sum()) for key in ("alpha.8", "alpha.16", "alpha.32"))

    expected = decide_cells(CELLS, architecture, loss, progress())
    assert len(calls) == 4 * 6
    calls.clear()
    with pytest.raises(KeyboardInterrupt):
        saved = Resume(tmp_path / "side", {"a": 1}, minutes=0)
        decide_cells(CELLS, architecture, lambda logits: loss(logits, 14), progress(), saved)
    calls.clear()
    assert decide_cells(CELLS, architecture, loss, progress(), Resume(tmp_path / "side", {"a": 1})) == expected
    assert len(calls) == 2 * 6


DOWNS = {8: [()], 16: [(1,), (2,), (3,)], 32: [(a, b) for b in range(2, 6) for a in range(1, b)]}
"""Every path through seven layers, by the scale at which it ends."""


@pytest.mark.parametrize("branches", ["32", "16+32", "best"])
@pytest.mark.parametrize("rule", ["consistent", "released", "search"])
def test_the_cells_are_those_of_the_paths_that_may_be_derived(branches, rule):
    space = SpaceSettings(layers=7, base_width=2, width_twelfths=(6, 12), branches=branches)
    architecture = draw(2, space)
    cells = cells_of_paths(architecture, space, rule)
    assert cells == sorted(set(cells))
    ends = {"32": [32], "16+32": [16, 32], "best": [8, 16, 32]}[branches]
    if rule == "search":
        downs = [path for end in ends for path in DOWNS[end]]
    else:
        downs = [most_probable_path(architecture, 7, end, rule) for end in ends]
    expected = set()
    for path in downs:
        scale = 8
        for layer in range(7):
            expected.add((layer, scale))
            scale *= 2 if layer in path else 1
    assert set(cells) == expected


def test_a_decision_depends_on_those_before():
    """Two cells need one `conv` between them. The first one keeps it, so the second one keeps its next choice."""
    architecture = {key: torch.zeros_like(logits) for key, logits in draw(0).items()}
    conv, zoom = OPERATORS.index("conv"), OPERATORS.index("zoom")

    def loss(logits):
        first, second = logits["alpha.8"].double().softmax(-1)[:2]
        return -float(torch.maximum(first[conv], second[conv])) - 0.1 * float(first[zoom] + second[zoom])

    rows = decide_cells([(0, 8), (1, 8)], architecture, loss, progress())
    assert [row["kept"] for row in rows] == ["conv", "zoom"]
    assert rows[0]["loss"] == pytest.approx(-0.24) and rows[1]["loss"] == pytest.approx(-1.02)
    rises = dict.fromkeys(OPERATORS, 0.24 - 0.25 - 0.045) | {"conv": 0.24 - 0.2 - 0.045, "zoom": 0.24 - 0.25 - 0.02}
    assert {name: rows[0][name] for name in OPERATORS} == pytest.approx(rises)
    rows = decide_cells([(1, 8), (0, 8)], architecture, loss, progress())
    assert [(row["layer"], row["kept"]) for row in rows] == [(1, "conv"), (0, "zoom")]


def progress():
    return SimpleNamespace(advance=lambda **_: None, note=lambda _: None, skip=lambda _: None)


def test_the_first_of_equals_is_kept_and_a_loss_that_is_not_finite_is_refused():
    rows = decide_cells([(0, 8)], draw(0), lambda _: 1.0, progress())
    assert rows[0]["kept"] == "skip"
    with pytest.raises(LbtError, match="layer 2 at 1/16 is not finite"):
        decide_cells([(2, 16)], draw(0), lambda _: math.nan, progress())


def test_a_removed_operator_gives_its_probability_to_the_others():
    architecture = draw(3)
    masked = without(architecture, (2, 16), ["zoom", "skip"])
    before, after = (logits["alpha.16"].softmax(-1) for logits in (architecture, masked))
    expected = before[1] * torch.tensor([0, 1, 0, 1, 1])
    torch.testing.assert_close(after[1], expected / expected.sum())
    assert torch.equal(after[0], before[0]) and all(masked[k] is v for k, v in architecture.items() if k != "alpha.16")
    assert torch.isfinite(architecture["alpha.16"]).all()


def test_images_without_a_labelled_pixel_are_refused(job, tmp_path):
    root = shutil.copytree(job.data.root, tmp_path / "data")
    for sample in read_split(job.tiny.split, "teacher_val"):
        with Image.open(root / sample.label) as mask:
            size = mask.size
        Image.new("L", size, 0).save(root / sample.label)
    job.data = job.data.model_copy(update={"root": str(root)})
    with pytest.raises(LbtError, match=r"derivation\.images: the 2 images of .*split\.csv have no labelled pixel"):
        job.run()
