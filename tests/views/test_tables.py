"""Values of the tables, blanks, and that their four forms say the same."""

import io
import statistics
from html.parser import HTMLParser

import pandas as pd
import pytest

from lbt.errors import LbtError
from lbt.views.budget import Budgets
from lbt.views.tables.classes import make_classes_table
from lbt.views.tables.decisions import make_decisions_table
from lbt.views.tables.decisiveness import Choices, Movement
from lbt.views.tables.formats import Table, mean_and_deviation
from lbt.views.tables.latency import make_latency_table
from lbt.views.tables.miou import make_miou_table, make_summary_table
from lbt.views.tables.terminal import SHOWN, fit_to_width, print_tables, terminal_width

CHOICES = {
    ("lbt", 0): Choices(0.31, {"alpha": Movement(0.9, 0.3, 0.98, 0.2), "beta": Movement(0.8, 0.6, 0.98, 0.2)}),
    ("lbt", 1): Choices(0.33, {"alpha": Movement(0.98, 0.4, 0.99, 0.2), "gamma": Movement(0.5, 1.0, 1.0, 0.0)}),
}
BUDGET = "warm-up 2 + search 1 x 2 + retrain 3 steps"
BUDGETS = Budgets(BUDGET, "retrain 3 steps from random weights")


@pytest.fixture
def tables(networks, constant):
    found = (
        make_summary_table(networks, constant, CHOICES, BUDGETS),
        make_miou_table(networks, constant, CHOICES, BUDGETS),
        make_classes_table(networks, constant),
        make_latency_table(networks),
        make_decisions_table(CHOICES),
    )
    return {table.name: table for table in found}


class Cells(HTMLParser):
    """The rows of a page's table."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows, self.inside = [], False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = True

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data):
        if self.inside:
            self.rows[-1][-1] += data


def csv_of(table) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(table.csv()), dtype=str, keep_default_na=False)


def test_means_and_deviations_are_those_of_the_standard_library(networks, tables):
    row = csv_of(tables["summary"]).set_index("method").loc["lbt"]
    for name, values in {
        "retrained_miou": [n.network["miou"] for n in networks[:2]],
        "supernet_miou": [n.supernet["miou"] for n in networks[:2]],
        "latency_ms": [n.profile["median_ms"] for n in networks[:2]],
    }.items():
        assert float(row[f"{name}_mean"]) == pytest.approx(statistics.mean(values), rel=1e-5)
        assert float(row[f"{name}_std"]) == pytest.approx(statistics.stdev(values), rel=1e-5)
    assert mean_and_deviation([1.0])[0] == 1.0 and pd.isna(mean_and_deviation([1.0])[1])


def test_a_single_seed_has_a_blank_deviation_and_the_constant_no_latency(tables):
    rows = csv_of(tables["summary"]).set_index("method")
    assert list(rows["role"]) == ["searched", "control", "control"]
    assert rows.loc["random", "retrained_miou_std"] == "" and rows.loc["random", "seeds"] == "1"
    assert rows.loc["constant (road)", "latency_ms_mean"] == "" and rows.loc["constant (road)", "seeds"] == ""


def test_people_see_mean_and_deviation_in_one_cell_and_which_rows_are_controls(tables, networks, constant):
    shown = tables["summary"].shown.set_index("method")
    assert list(shown.index) == ["lbt", "random (control)", "constant (control)"]
    assert shown.loc["lbt", "retrained mIoU"] == "35.0 ± 7.1" and shown.loc["lbt", "latency (ms)"] == "5.50 ± 0.71"
    assert shown.loc["random (control)", "retrained mIoU"] == "25.0"
    assert shown["alpha against noise"].tolist() == ["1.75", "", ""]
    assert shown.loc["constant (control)", ["retrained mIoU", "latency (ms)", "FPS"]].tolist() == ["20.0", "", ""]
    assert "Means over the seeds 0, 1;" in tables["summary"].note
    assert "One seed (1)" in make_summary_table(networks[1:2], constant, CHOICES, BUDGETS).note


def test_the_csv_keeps_more_digits_than_people_see(networks, constant):
    networks[0].profile["macs"] = 62_928_896
    rows = csv_of(make_summary_table(networks[:1], constant, CHOICES, BUDGETS))
    assert rows.loc[0, "macs_mean"] == "62928896"


def test_text_is_aligned_left_and_numbers_right():
    people = pd.DataFrame({"a": ["1", "2"], "role": ["control", ""], "b": ["1.0 ± 0.1", ""], "c": ["+3.0", "-1"]})
    table = Table("t", "T", "note", people, people, ("first", "look at `x < y`"))
    rule = table.markdown().splitlines()[3]
    assert [cell.strip().endswith(":") for cell in rule[1:-1].split("|")] == [False, False, True, True]
    assert '<td class="text">control</td><td>1.0 ± 0.1</td>' in table.html()
    assert (
        "**Warning:** first\n\n**Warning:** look at `x < y`\n\nnote" in table.markdown()
        and '<p class="warning"><b>Warning:</b> look at <code>x &lt; y</code>' in table.html()
    )


def test_an_absent_class_is_blank_and_not_zero(tables):
    rows = csv_of(tables["classes"])
    absent = rows[rows["class"] == "sign"]
    assert len(absent) == 3 and (absent[["supernet_iou", "retrained_iou"]] == "").all(axis=None)
    people = tables["classes"].shown.set_index("class")
    assert list(people.loc["sign"]) == ["0.0", "", "", ""]  # its share of the pixels is 0
    assert people.loc["road", "lbt"] == "60.0 ± 14.1" and people.loc["car", "constant"] == "0.0"
    assert people["share"].tolist() == ["80.0", "20.0", "0.0"]


def test_the_error_of_the_latency_is_predicted_minus_measured(tables):
    rows = csv_of(tables["latency"])
    assert [float(v) for v in rows["error_ms"]] == [-0.5] * 3
    assert [float(v) for v in rows["error_percent"]] == pytest.approx([-10.0, -100 / 12, -12.5], rel=1e-5)
    assert "is 10.3 % on average and 12.5 % at most" in tables["latency"].note
    assert "made up, eager, float32, 1 thread, 64 x 96 pixels" in tables["latency"].note


def test_each_kind_of_logits_has_a_row_beside_what_noise_gives(tables):
    rows = csv_of(tables["decisions"])
    found = rows[["seed", "logits", "entropy", "noise_entropy", "distance", "noise_distance", "noise_ratio"]]
    assert found.to_numpy().tolist() == [
        ["0", "alpha", "0.9", "0.98", "0.3", "0.2", "1.5"],
        ["0", "beta", "0.8", "0.98", "0.6", "0.2", "3"],
        ["1", "alpha", "0.98", "0.99", "0.4", "0.2", "2"],
        ["1", "gamma", "0.5", "1", "1", "0", ""],  # noise stands still, so there is no ratio
    ]
    assert rows["operator_probability"].tolist() == ["0.31", "", "0.33", ""]
    assert tables["decisions"].shown["against noise"].tolist() == ["1.50", "3.00", "2.00", ""]


def test_a_run_of_controls_only_has_a_table_of_decisions_without_rows():
    table = make_decisions_table({})
    page = Cells(table.html()).rows
    assert page == [list(table.shown.columns)] and len(csv_of(table)) == 0 and table.warnings == ()
    assert table.markdown().splitlines()[2].startswith("| method | seed |")


@pytest.mark.parametrize("name", SHOWN)
def test_people_read_the_same_in_html_and_markdown(tables, name):
    table = tables[name]
    page = Cells(table.html()).rows
    lines = [line for line in table.markdown().splitlines() if line.startswith("|")]
    markdown = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    assert page == [markdown[0], *markdown[2:]] == [list(table.shown.columns), *table.shown.to_numpy().tolist()]
    assert len({len(line) for line in lines}) == 1  # aligned
    assert "nan" not in table.csv().lower() and "http:" not in table.html() and "https:" not in table.html()


def test_names_of_the_users_classes_are_escaped(networks, constant):
    def renamed(scores):
        return scores | {"iou": {"a<b|c": 0.5, "car": 0.1, "sign": None}}

    others = [
        n.__class__(n.method, n.seed, renamed(n.supernet), renamed(n.network), n.profile, n.computation)
        for n in networks
    ]
    table = make_classes_table(others, renamed(constant))
    assert "a&lt;b|c" in table.html() and "a<b" not in table.html()
    assert "a\\<b\\|c" in table.markdown()


def test_show_prints_the_tables_in_their_order(tables, tmp_path, capsys):
    for table in tables.values():
        table.write(tmp_path / "tables")
    print_tables(tmp_path)
    text = capsys.readouterr().out
    places = [text.index(fit_to_width(tables[name].markdown(), terminal_width())) for name in SHOWN]
    assert places == sorted(places) and "predictions" not in text.split("figures:")[0]
    (tmp_path / "tables" / "classes.md").unlink()
    with pytest.raises(LbtError, match=r"classes\.md: is missing"):
        print_tables(tmp_path)
