"""Curves of a run at work: the values of the jobs' own progress lines, joined over rounds, whatever a log holds."""

import pytest
from test_index import DONE, text_of

from lbt.runtime.progress import Progress
from lbt.views.index import make_index
from lbt.views.live_curves import BOTTOM, LEFT, POINTS, RIGHT, TOP, read_charts


def write_log(logs, name, values, total=None, **further):
    """The log of a job that has taken a step for each value."""
    (logs / f"{name}.log").unlink(missing_ok=True)
    with Progress(name, total or len(values), logs / f"{name}.log", interval=0.0) as progress:
        for value in values:
            progress.advance(loss=value, **further)


def points(line):
    return [tuple(map(float, pair.split(","))) for pair in line.points.split()]


def test_the_points_are_those_of_the_steps(tmp_path):
    write_log(tmp_path, "retrain-lbt-seed-0", [4.0, 2.0, 3.0], total=4)
    (chart,) = read_charts(tmp_path)
    assert (chart.title, chart.low, chart.high, chart.end) == ("Retraining: loss", "2", "4", "end")
    (line,) = chart.lines
    width, height = RIGHT - LEFT, BOTTOM - TOP
    assert points(line) == [
        (LEFT + width / 4, TOP),
        (LEFT + width / 2, BOTTOM),
        (LEFT + 3 * width / 4, TOP + height / 2),
    ]


def test_rounds_follow_each_other_and_methods_have_their_style(tmp_path):
    for number in range(1, 12):  # the tenth comes after the ninth
        write_log(tmp_path, f"search-lbt-seed-0-round-{number}", [12.0 - number, 11.5 - number], ms=3.0, skipped=1.0)
    write_log(tmp_path, "search-random-seed-0-round-1", [11.0, 9.0])
    write_log(tmp_path, "search-random-seed-1-round-1", [11.0, 9.0])
    loss, latency = read_charts(tmp_path)
    assert loss.title == "Search: loss" and latency.title == "Search: expected latency (ms)"
    assert loss.end == "round 11" and [line.method for line in loss.legend] == ["lbt", "random"]
    assert len(loss.lines) == 3 and len({(line.color, line.dashes) for line in loss.lines}) == 2
    (searched,) = (line for line in loss.lines if line.method == "lbt")
    places = points(searched)
    assert places == sorted(places) and len(places) == 22 and places[-1] == (RIGHT, BOTTOM)


def test_a_long_log_is_thinned_and_keeps_its_end(tmp_path):
    write_log(tmp_path, "warmup-seed-0", [float(i) for i in range(1, 1001)])
    (line,) = read_charts(tmp_path)[0].lines
    assert POINTS / 2 < len(points(line)) <= POINTS + 1 and points(line)[-1] == (RIGHT, TOP)


def test_a_log_that_has_grown_is_read_again_and_the_latest_stage_comes_first(tmp_path):
    write_log(tmp_path, "warmup-seed-0", [2.0])
    assert read_charts(tmp_path) == []
    write_log(tmp_path, "warmup-seed-0", [2.0, 1.0])
    write_log(tmp_path, "student-warmup-seed-0", [2.0, 1.0])
    write_log(tmp_path, "retrain-guide-lbt-seed-0", [2.0, 1.0])
    titles = [chart.title for chart in read_charts(tmp_path)]
    assert titles == [
        f"{name}: loss" for name in ("Retraining of the guide", "Warm-up of the student", "Warm-up of the supernet")
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\x00: step 1/2  loss 1  1 s elapsed, 0 s left\n" * 3,
        b"a: step 1/0  loss 1  1 s elapsed, 0 s left\n" * 3,
        b"a: step 1/2  loss nan  1 s elapsed, 0 s left\na: step 2/2  loss inf  1 s elapsed, 0 s left\n",
        b"a: step 1/2  loss </svg>  1 s elapsed, 0 s left\n" * 3,
        b": step " * 1000,
        b"",
    ],
)
def test_strange_logs_break_nothing(tmp_path, content):
    run = tmp_path / "run"
    (run / "logs").mkdir(parents=True)
    (run / "logs" / "retrain-lbt-seed-0.log").write_bytes(content)
    write_log(run / "logs", "warmup-seed-0", [3.0, 3.0])
    page = make_index(run, DONE)
    assert "Curves so far" not in page  # the figures are there instead
    page = make_index(run, type(DONE)("running", "", DONE.now))
    assert "Warm-up of the supernet: loss" in text_of(page) and "nan" not in page and "</svg></svg>" not in page
