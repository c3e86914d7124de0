"""Accuracy against latency, predictions, and files that repeat byte by byte."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import PathCollection

from lbt.data.classes import IGNORE, ClassTable, class_table
from lbt.data.label_images import label_image
from lbt.data.masks import read_label
from lbt.data.splits import read_split
from lbt.errors import LbtError
from lbt.views.figures import comparison
from lbt.views.figures.curves import draw_curves
from lbt.views.figures.panels import WARMUP
from lbt.views.figures.predictions import LARGEST, Example, draw_predictions
from lbt.views.figures.style import save, use_style
from lbt.views.figures.tradeoff import draw_tradeoff
from lbt.views.method_styles import method_style

TABLE = ClassTable(
    ("road", "car", "sky"),
    ((128, 64, 128), (0, 0, 142), (70, 130, 180)),
    np.arange(256, dtype=np.uint8),
    frozenset(range(3)),
)


def test_every_network_is_a_mark_and_several_seeds_have_a_mean(networks, constant):
    with use_style():
        axes = draw_tradeoff(networks, constant).axes[0]
    marks = [tuple(point) for c in axes.collections for point in c.get_offsets() if isinstance(c, PathCollection)]
    for n in networks:
        assert any(np.allclose(mark, (n.profile["median_ms"], 100 * n.network["miou"])) for mark in marks)
    (bars,) = axes.containers  # random has one seed, hence no mean
    line, _, (across, up) = bars.lines
    assert (line.get_xdata()[0], line.get_ydata()[0]) == pytest.approx((5.5, 35.0))
    assert np.ptp(across.get_segments()[0][:, 0]) == pytest.approx(2 * np.std([5, 6], ddof=1))
    assert np.ptp(up.get_segments()[0][:, 1]) == pytest.approx(2 * np.std([30, 40], ddof=1))
    labels = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    assert set(labels) == {
        "lbt, mean of 2 seeds",
        "random (control)",
        "to the 95th percentile of the passes",
        "predicted latency",
    }
    for n in networks:
        y = 100 * n.network["miou"]
        line = next(line for line in axes.lines if list(line.get_ydata()) == [y, y])
        assert list(line.get_xdata()) == [n.profile["median_ms"], n.profile["p95_ms"]]
        assert [n.profile["predicted_ms"], y] in [[*line.get_xdata(), *line.get_ydata()] for line in axes.lines]
    horizontal = [line for line in axes.lines if list(line.get_ydata()) == [20.0, 20.0]]
    assert len(horizontal) == 1 and "road" in axes.texts[0].get_text()


def test_a_far_constant_prediction_does_not_squeeze_the_networks(networks, constant):
    with use_style():
        axes = draw_tradeoff(networks, constant | {"miou": 0.02}).axes[0]
    assert axes.get_ylim()[0] > 15 and "2.0 %, below this axis" in axes.texts[0].get_text()


def test_the_wanted_speed_equal_networks_and_warnings_are_in_the_figure(networks, constant):
    twice = [*networks[:2], replace(networks[2], computation=networks[0].computation)]
    slow = replace(twice[1], profile=twice[1].profile | {"p95_ms": 60.0})
    with use_style():
        plain = draw_tradeoff(networks, constant)
        figure = draw_tradeoff([twice[0], slow, twice[2]], constant, (100.0, 250.0))
    assert plain.get_suptitle() == ""
    assert "random, seed 0, is the same network as lbt, seed 0" in figure.get_suptitle()
    assert "busy" in figure.get_suptitle() and "`" not in figure.get_suptitle()
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "random (control), the same network as lbt" in labels and "wanted: 100 to 250 FPS" in labels
    (band,) = figure.axes[0].patches
    assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx((4.0, 10.0))


def seen(height: int = 6, width: int = 9) -> Example:
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
    truth = generator.integers(0, 3, (height, width), dtype=np.uint8)
    truth[0, 0] = IGNORE
    predictions = {m: generator.integers(0, 3, (height, width), dtype=np.uint8) for m in ("lbt", "random")}
    return Example("val/a", image, truth, predictions)


def test_panels_hold_image_truth_and_predictions_in_the_colours_of_the_classes():
    row = seen()
    with use_style():
        figure = draw_predictions([row, row], TABLE, "seed 0")
    panels = [axes.images[0].get_array() for axes in figure.axes]
    assert len(panels) == 8
    assert [axes.get_title() for axes in figure.axes[:4]] == ["image", "ground truth", "lbt", "random"]
    np.testing.assert_array_equal(panels[0], row.image)
    colors = np.array(TABLE.colors, np.uint8)
    for panel, labels in zip(panels[1:4], (row.truth, *row.predictions.values()), strict=True):
        assert panel[0, 0].tolist() == [0, 0, 0]  # ignored in the ground truth
        np.testing.assert_array_equal(panel[1:], colors[labels[1:]])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(TABLE.names)


def test_examples_and_scores_are_those_of_the_files(labelled, tmp_path):
    """Ground truth as indices into the classes, which a mask holds as ids; mIoU in percent at the end of its round."""
    data, split, table = labelled.settings.data, labelled.run / "data/split.csv", class_table(labelled.settings.data)
    sample = read_split(split, "evaluation")[0]
    truth = read_label(Path(data.root) / sample.image, Path(data.root) / sample.label, data, table)
    path = tmp_path / "lbt/seed-3" / f"{sample.id.replace('/', '_')}.png"
    path.parent.mkdir(parents=True)
    prediction = np.where(truth == IGNORE, 0, truth)
    label_image(prediction, table.colors).save(path)
    (example,) = comparison._read_examples({"lbt": path.parent}, data, split, table)
    assert example.name == sample.id and set(example.predictions) == {"lbt"}
    np.testing.assert_array_equal(example.truth, truth)
    np.testing.assert_array_equal(example.predictions["lbt"], prediction)
    (tmp_path / "lbt/seed-3/rounds.csv").write_text("round,miou\n1,0.25\n2,0.5\n")
    rows = comparison._read_rounds([tmp_path / "lbt/seed-3/rounds.csv"])
    assert rows[["method", "seed", "place", "supernet_miou"]].values.tolist() == [["lbt", 3, 1, 25], ["lbt", 3, 2, 50]]


def test_the_curves_of_both_warm_ups_are_those_of_the_files(tmp_path):
    """Each in its own panels; a student without warm-up has a table without rows."""
    head, files = "step,loss,gradient_norm,skipped,lr\n", {}
    for name, seed, rows in (("warmup", 0, 3), ("warmup", 1, 3), ("student_warmup", 0, 4), ("student_warmup", 1, 0)):
        path = tmp_path / name / f"seed-{seed}" / "metrics.csv"
        path.parent.mkdir(parents=True)
        path.write_text(head + "".join(f"{step},{10 * seed + step},{step + 0.5},0,0.1\n" for step in range(rows)))
        files.setdefault(name, []).append(path)
    found = comparison._read_warmups(files["warmup"], files["student_warmup"])
    assert found.loc[found["method"] == "student", ["seed", "place", "student_loss"]].values.tolist() == [
        [0, step + 1, step] for step in range(4)
    ]
    assert found.loc[found["seed"] == 1, "supernet_loss"].tolist() == [10, 11, 12]
    with use_style():
        figure = draw_curves(found, WARMUP, 2, along="step")
        alone = draw_curves(comparison._read_warmups(files["warmup"], []), WARMUP, 2, along="step")
    assert [axes.get_title() for axes in figure.axes] == [panel.title for panel in WARMUP]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["supernet", "student"]
    assert [axes.get_title() for axes in alone.axes] == [panel.title for panel in WARMUP if "supernet" in panel.title]
    path.write_text("step,gradient_norm\n")
    with pytest.raises(LbtError, match="lacks the column loss"):
        comparison._read_warmups([], [path])


def test_large_images_are_thinned_out():
    with use_style():
        figure = draw_predictions([seen(10, 2 * LARGEST + 1)], TABLE, "large")
    assert max(figure.axes[0].images[0].get_array().shape) <= LARGEST


def test_equal_figures_give_equal_files_of_both_kinds(networks, constant, tmp_path):
    for folder in ("first", "second"):
        with use_style():
            save(draw_tradeoff(networks, constant), tmp_path / folder / "figure")
    for ending, start in (("svg", b"<?xml"), ("png", b"\x89PNG")):
        first, second = ((tmp_path / folder / f"figure.{ending}").read_bytes() for folder in ("first", "second"))
        assert first == second and first.startswith(start)
    assert len(list((tmp_path / "first").iterdir())) == 2


def test_each_method_has_its_own_style_in_every_run():
    known = ["fasterseg", "lbt", "lpt", "random"]
    new = ["zeta", "alpha"]
    styles = {method: method_style(method, known + new) for method in known + new}
    for looks in zip(*styles.values(), strict=True):  # colour, marker and line
        assert len(set(looks)) == 6
    assert all(method_style(method, [method]) == styles[method] for method in known)
