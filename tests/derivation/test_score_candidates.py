"""Scores of candidates: those of the networks themselves, inside the window, on no held-out image."""

import csv
import shutil
from dataclasses import asdict
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from stage_calls import call_stage

from lbt.config import DerivationSettings, EvaluationSettings, SearchSettings, SpaceSettings
from lbt.data.dataset import SegmentationDataset
from lbt.data.loader import evaluation_batches, training_loader
from lbt.data.splits import read_split
from lbt.derivation import score_candidates as candidates
from lbt.errors import LbtError
from lbt.files import write_json
from lbt.latency.expected import genotype_latency
from lbt.latency.parts import list_space_parts
from lbt.latency.table import TableKey, read_table
from lbt.network.candidates import list_candidates
from lbt.network.inherit_weights import inherit_weights
from lbt.network.network import Network
from lbt.runtime.checkpoint import save_checkpoint
from lbt.runtime.metrics_csv import write_metrics
from lbt.runtime.seeding import derive_seed
from lbt.space.architecture import architecture_to_json, initial_architecture
from lbt.space.calibration import recalibrate
from lbt.space.supernet import Supernet
from lbt.space.supernet_file import KIND, supernet_identity

EVALUATION = EvaluationSettings(batch_size=3, calibration_batches=2)


class Job:
    """A supernet of random weights in a space with several paths, and everything else that the stage reads."""

    def __init__(self, tiny, folder, branches):
        self.space = SpaceSettings(layers=6, base_width=2, width_twelfths=(6, 12), branches=branches)
        self.tiny, self.folder, self.data = tiny, folder, tiny.settings.data
        self.architecture = {
            k: 1000 * v for k, v in initial_architecture(self.space, torch.Generator().manual_seed(1)).items()
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.supernet = Supernet(self.space, tiny.classes.num_classes)
        folder.mkdir()
        write_json(folder / "architecture.json", architecture_to_json(self.architecture))
        save_checkpoint(
            folder / "checkpoint.pt",
            kind=KIND,
            identity=supernet_identity(tiny.classes.names, self.space, 0, "lbt", 1),
            state={"supernet": self.supernet.state_dict(), "architecture": self.architecture},
        )
        key = asdict(TableKey("invented", "eager", "float32", 64, 64, 1, tiny.classes.num_classes, "none"))
        rows = [
            {**key, **asdict(part), "median_ms": 0.01 * part.in_channels + 3.2 / part.scale, "iqr_ms": 0.0}
            for part in list_space_parts(self.space, tiny.classes.num_classes)
        ]
        write_metrics(folder / "table.csv", rows)
        self.table = read_table(folder / "table.csv")

    def listed(self, rule="search"):
        return list_candidates(self.architecture, self.space, rule)

    def speeds(self, rule="search"):
        return [1000 / genotype_latency(c.genotype, self.space, self.table) for c in self.listed(rule)]

    def run(self, search_fps=None, seed=0, output=None, batch_size=EVALUATION.batch_size, table=None, **derivation):
        output = output or self.folder / "candidates.csv"
        call_stage(
            "candidates",
            seed=seed,
            method="lbt",
            data=self.data,
            augmentation=self.tiny.settings.augmentation,
            space=self.space,
            search=SearchSettings(fps=search_fps),
            latency=self.tiny.settings.latency,
            derivation=DerivationSettings(**derivation),
            evaluation=EVALUATION.model_copy(update={"batch_size": batch_size}),
            compute=self.tiny.settings.compute,
            split=self.tiny.split,
            table=table or self.folder / "table.csv",
            checkpoint=self.folder / "checkpoint.pt",
            architecture=self.folder / "architecture.json",
            candidates=output,
            log=self.folder / "log.txt",
        )
        with open(output, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


@pytest.fixture
def job(tiny, tmp_path):
    return Job(tiny, tmp_path / "job", "16+32")


@pytest.fixture
def two_ends(tiny, tmp_path):
    return Job(tiny, tmp_path / "job", "best")


def independent_miou(job, genotype, samples):
    """Mean intersection over union of the classes that occur, counted pixel by pixel in NumPy."""
    classes = job.tiny.classes
    network = Network(genotype, job.space, classes.num_classes).eval()
    inherit_weights(network, job.supernet)
    train = SegmentationDataset(read_split(job.tiny.split, "teacher_train"), job.data, classes)
    loader = training_loader(
        train,
        data=job.data,
        augmentation=job.tiny.settings.augmentation,
        crop=job.tiny.settings.augmentation.crop,
        batch_size=EVALUATION.batch_size,
        seed=derive_seed(0, "candidates"),
        steps=EVALUATION.calibration_batches,
    )
    recalibrate(network, loader, lambda batch: network(batch[0]))
    hit, union, true = (np.zeros(classes.num_classes) for _ in range(3))
    dataset = SegmentationDataset(samples, job.data, classes)
    with torch.no_grad():
        # batches of the same size, because another size may round the logits of a pixel differently
        for images, labels in evaluation_batches(dataset, EVALUATION.batch_size, job.data):
            predicted, label = network(images).argmax(1).numpy(), labels.numpy()
            for c in range(classes.num_classes):
                valid = label != 255
                hit[c] += ((predicted == c) & (label == c)).sum()
                union[c] += (((predicted == c) | (label == c)) & valid).sum()
                true[c] += (label == c).sum()
    return (hit[true > 0] / union[true > 0]).mean()


def test_scores_are_those_of_the_networks(job):
    rows, samples = job.run(rule="search"), read_split(job.tiny.split, "teacher_val")
    assert len(rows) == len(job.listed()) == 12
    for row, candidate, fps in zip(rows, job.listed(), job.speeds(), strict=True):
        assert row["branches"] == "16+32" and row["downs"] == candidate.paths and row["inside_window"] == "true"
        assert float(row["probability"]) == candidate.probability
        assert float(row["predicted_fps"]) == fps == 1000 / float(row["predicted_ms"])
        assert float(row["miou"]) == pytest.approx(independent_miou(job, candidate.genotype, samples), abs=1e-12)
        assert row["objective"] == row["miou"]
    assert [row["index"] for row in rows] == [str(i) for i in range(12)]
    assert len({row["miou"] for row in rows}) > 6
    log = (job.folder / "log.txt").read_text()
    assert "candidates lbt seed-0: step 12/12" in log


def test_the_same_seed_gives_the_same_file(job, monkeypatch):
    job.run(rule="search", paths=3, images=6, output=job.folder / "first.csv")
    torch.manual_seed(99)
    job.run(rule="search", paths=3, images=6, output=job.folder / "second.csv")
    monkeypatch.setattr(candidates, "HELD_IMAGES", 3)  # in several parts, of a whole batch each
    job.run(rule="search", paths=3, images=6, output=job.folder / "third.csv")
    first, second, third = ((job.folder / f"{name}.csv").read_bytes() for name in ("first", "second", "third"))
    assert first == second == third
    other = job.run(rule="search", paths=3, images=6, seed=1)
    assert [row["miou"] for row in other] != [row["miou"] for row in job.run(rule="search", paths=3, images=6)]


def test_held_out_and_unlabelled_images_are_not_read(job, tmp_path):
    expected = job.run(rule="search", paths=2)
    root = shutil.copytree(job.data.root, tmp_path / "data")
    for part in ("val", "test"):
        shutil.rmtree(root / "leftImg8bit" / part)
        shutil.rmtree(root / "gtFine" / part, ignore_errors=True)
    job.data = job.data.model_copy(update={"root": str(root)})
    assert job.run(rule="search", paths=2) == expected


def test_only_networks_inside_the_window_are_scored(job):
    window = (sorted(job.speeds())[3], sorted(job.speeds())[6])  # its ends belong to it
    inside = [window[0] <= fps <= window[1] for fps in job.speeds()]
    assert 4 <= sum(inside) < 12
    rows = job.run(rule="search", fps=window, images=1)
    assert [row["inside_window"] == "true" for row in rows] == inside
    assert [row["miou"] != "" for row in rows] == [row["objective"] != "" for row in rows] == inside
    assert job.run(rule="search", search_fps=window, images=1) == rows
    everything = (min(job.speeds()), max(job.speeds()))
    assert job.run(rule="search", search_fps=everything, fps=window, images=1) == rows


def test_paths_limits_to_the_most_probable_inside_the_window(job):
    window = (sorted(job.speeds())[3], sorted(job.speeds())[8])
    inside = [window[0] <= fps <= window[1] for fps in job.speeds()]
    rows = job.run(rule="search", fps=window, paths=2, images=1)
    scored = [row for row in rows if row["miou"]]
    assert scored == [row for row, within in zip(rows, inside, strict=True) if within][:2]
    outside = [float(row["probability"]) for row in rows if row["inside_window"] == "true" and not row["miou"]]
    assert outside and min(float(row["probability"]) for row in scored) >= max(outside)


def test_images_are_evenly_spaced(job):
    rows, samples = job.run(rule="search", paths=1, images=3), read_split(job.tiny.split, "teacher_val")
    count = len(samples)
    chosen = [samples[0], samples[count // 3], samples[2 * count // 3]]
    miou = independent_miou(job, job.listed()[0].genotype, chosen)
    assert float(rows[0]["miou"]) == pytest.approx(miou, abs=1e-12)
    assert job.run(rule="search", paths=1, images=10_000) == job.run(rule="search", paths=1)


@pytest.mark.parametrize("batch_size", [1, 50])
def test_any_batch_size_works(job, batch_size):
    """The coarsest feature of one crop is a single value per channel; fifty images are more than the set has."""
    rows = job.run(rule="search", paths=2, images=4, batch_size=batch_size)
    assert 0 < float(rows[0]["miou"]) < 1


def test_two_choices_of_ends_are_compared_by_the_released_objective(two_ends):
    rows, samples = two_ends.run(), read_split(two_ends.tiny.split, "teacher_val")
    assert [row["branches"] for row in rows] == ["16+32", "8+32"]
    for row, candidate in zip(rows, two_ends.listed("released"), strict=True):
        miou = independent_miou(two_ends, candidate.genotype, samples)
        milliseconds = genotype_latency(candidate.genotype, two_ends.space, two_ends.table)
        assert float(row["objective"]) == pytest.approx(miou * milliseconds**-0.07, abs=1e-12)
    # both are scored, wherever the window is
    low, high = sorted(two_ends.speeds("released"))
    rows = two_ends.run(search_fps=(low / 2, (low + high) / 2), images=1)
    assert sorted(row["inside_window"] for row in rows) == ["false", "true"] and all(row["objective"] for row in rows)


def test_all_paths_of_two_choices_of_ends(two_ends):
    rows = two_ends.run(rule="search", paths=3, images=1)
    assert len(rows) == 18 and [row["branches"] for row in rows if row["miou"]] == ["16+32", "8+32", "16+32"]


def test_a_window_between_the_networks_names_what_they_reach(job):
    low, high = min(job.speeds()), max(job.speeds())
    speeds = sorted(job.speeds())
    a, b = max(pairwise(speeds), key=lambda pair: pair[1] - pair[0])
    window = (a + (b - a) / 3, b - (b - a) / 3)
    for setting, settings in (("derivation.fps", {"fps": window}), ("search.fps", {"search_fps": window})):
        with pytest.raises(LbtError) as caught:
            job.run(rule="search", **settings)
        text = str(caught.value)
        assert text.startswith(f"{setting}: none of the 12 networks that may be derived from")
        assert f"{low:.4g} to {high:.4g} FPS" in text and f"Change {setting}, or search more rounds" in text
    assert not (job.folder / "candidates.csv").exists()


@pytest.mark.parametrize("setting", ["derivation.fps", "search.fps"])
def test_a_window_that_no_network_meets_is_refused_first(job, setting):
    settings = {"fps" if setting == "derivation.fps" else "search_fps": (1e6, 2e6)}
    with pytest.raises(LbtError, match=setting):
        job.run(rule="search", **settings)


def test_images_without_a_labelled_pixel_are_refused(job, tmp_path):
    root = shutil.copytree(job.data.root, tmp_path / "data")
    for sample in read_split(job.tiny.split, "teacher_val"):
        with Image.open(root / sample.label) as mask:
            size = mask.size
        Image.new("L", size, 0).save(root / sample.label)
    job.data = job.data.model_copy(update={"root": str(root)})
    with pytest.raises(LbtError, match=r"derivation\.images: the 2 images of .*split\.csv have no labelled pixel"):
        job.run(rule="search", paths=1, images=2)


def test_a_supernet_of_another_space_is_refused(job):
    job.space = job.space.model_copy(update={"min_length": 2})
    with pytest.raises(LbtError, match=r"checkpoint\.pt: was made with space"):
        job.run(rule="search")


def test_a_table_of_another_key_is_refused_first(job, refused_by_key):
    (job.folder / "architecture.json").unlink()
    refused_by_key(job.folder / "table.csv", lambda table: job.run(table=table))
