"""Settings of files and options: their order, and messages with the line of each problem."""

import os
from pathlib import Path

import pytest

from lbt.config.read import read_configuration, read_settings
from lbt.errors import LbtError

HERE = Path(__file__).parent


def problems(*texts, options=(), tmp_path):
    """The lines of the message about files with these texts."""
    files = [tmp_path / f"{'abc'[place]}.yaml" for place in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    with pytest.raises(LbtError) as error:
        read_configuration(files, options)
    head, *lines, last = str(error.value).replace(f"{tmp_path}/", "").splitlines()
    assert last == "config/README.md explains every key." and f"{len(lines)} problem" in head
    return lines


def test_each_problem_is_named_with_its_line(tmp_path):
    text = """\
run: no
seeds: [0, 1, -1]
serach: {}
search:
  rounds: "3"
  round: 3
  fps: [40, 30]
space:
  layers: 010
  base_width: 4
  base_width: 8
data:
  classes: [road, 2]
augmentation: {scale: [2, 1]}
warmup: {batch_size: 6,
  gpus: 4}
"""
    assert problems(text, tmp_path=tmp_path) == (
        [
            '  line 1: run: YAML reads no as false; write "no"',
            "  line 2: seeds.2: must be at least 0; found -1",
            "  line 3: serach: unknown key; did you mean `search`?",
            "  line 5: search.rounds: a whole number is needed; found the text '3'; remove the quotes",
            "  line 6: search.round: unknown key; did you mean `rounds`?",
            '  line 9: space.layers: YAML reads 010 as 8; write 8 or 10 for the number, or "010" for the text',
            "  line 11: space.base_width: is given twice, first in line 10; keep one of them",
            '  line 13: data.classes.1: YAML reads 2 as a number; write "2"',
            "  line 14: augmentation.scale: the lower end 2.0 is above the upper end 1.0",
            "  line 16: warmup.gpus: 4 GPUs cannot share a batch_size of 6 evenly; make it a multiple of 4, such as 8, "
            "or change `gpus`",
        ]
    )


def test_a_problem_between_sections_is_named_with_its_line(tmp_path):
    text = "evaluation:\n  every_round: true\nsearch:\n  rounds: 3\n"
    (line,) = problems(text, tmp_path=tmp_path)
    assert line.startswith("  line 2: evaluation.every_round: true scores the weights")
    (line,) = problems("run: a\nderivation:\n  paths: 3\n", tmp_path=tmp_path)
    assert line.startswith("  line 3: derivation.paths: has no effect")


def test_a_missing_key_is_named_with_the_line_of_its_section(tmp_path):
    text = "data:\n  layout: folder\n  folder:\n    classes:\n    - {name: a, color: [0, 0, 0]}\n    - {name: b}\n"
    assert problems(text, tmp_path=tmp_path) == ["  line 6: data.folder.classes.1.color: is missing"]


def test_1e3_is_a_number_where_one_is_needed_and_a_text_where_one_is(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("run: 1e3\nwarmup: {optimizer: {lr: 1e-3}}\nsearch: {fps: [3e1, 4E1]}\n")
    settings = read_settings(path)
    assert settings.run == "1e3" and settings.warmup.optimizer.lr == 1e-3 and settings.search.fps == (30.0, 40.0)
    assert problems("space: {layers: 1e1}", tmp_path=tmp_path) == [
        "  line 1: space.layers: a whole number is needed; found 1e1"
    ]
    assert problems("warmup: {epochs: 1e999}", tmp_path=tmp_path) == [
        "  line 1: warmup.epochs: a number is needed; found 1e999"
    ]


def test_later_files_and_options_replace_what_they_name(tmp_path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("run: a\nseeds: [1, 2, 3]\nsearch: {rounds: 3, shards: 4}\ncompute: {threads: 3}\n")
    second.write_text("seeds: [7]\nsearch: {rounds: 5}\n")
    options = ['search={"rounds": 2}', "seeds=[0,1]", "compute={device: cpu, threads: 4}", "run=1e5"]
    settings = read_configuration([first, second], options).settings
    assert (settings.run, settings.seeds) == ("1e5", (0, 1))
    assert (settings.search.rounds, settings.search.shards) == (2, 4)
    assert (settings.compute.device, settings.compute.threads) == ("cpu", 4)


def test_messages_name_the_source_of_each_problem(tmp_path):
    lines = problems(
        "run: a\nsearch: {rounds: 0}\nseeds: [0, x]\n",
        "seeds: [1]\nspace:\n  layers: 2\n",
        options=["search={shards: 0}", "compute=3", "run=2026", "latency="],
        tmp_path=tmp_path,
    )
    assert sorted(lines) == sorted(
        [
            "  a.yaml, line 2: search.rounds: must be at least 1; found 0",
            "  b.yaml, line 3: space.layers: must be at least 4; found 2",
            "  --config search: search.shards: must be at least 1; found 0",
            "  --config compute: compute: a section (key: value) is needed; found 3",
            '  --config run: run: YAML reads 2026 as a number; write "2026"',
            "  --config latency: latency: has no value; write one behind the colon, or remove the key",
        ]
    )


def test_an_option_that_is_no_yaml_is_named(tmp_path):
    with pytest.raises(LbtError, match=r"^--config seeds: is not YAML"):
        read_configuration([], ["seeds=[1"])
    with pytest.raises(LbtError, match=r"^--config run: 'run: stra\\udcdfe' is not UTF-8 text"):
        read_configuration([], ["run=stra\udcdfe"])


def test_a_template_is_refused(tmp_path):
    """Snakemake would run the code in it."""
    lines = problems("__use_yte__: true\n?if True:\n  run: a\n", tmp_path=tmp_path)
    assert [line.split(": ", 2)[2] for line in lines] == ["unknown key; settings are no template"] * 2


def test_what_has_no_end_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zeros.yaml").symlink_to("/dev/zero")
    for name in ("pipe.yaml", "zeros.yaml"):
        with pytest.raises(LbtError, match=rf"{name}: could not be read \(it is not a regular file\)"):
            read_settings(tmp_path / name)


def test_a_known_key_in_another_place_is_named_with_its_place(tmp_path):
    text = "search.student.crop: [32, 32]\nstretch: 3\nevaluation:\n  seeds: [0]\nsearch:\n  data.root: x\n"
    assert problems(text, tmp_path=tmp_path) == [
        "  line 1: search.student.crop: unknown key; it stands in a section; write `search: {student: {crop: ...}}`",
        "  line 2: stretch: unknown key; it belongs to data.folder",
        "  line 4: evaluation.seeds: unknown key; it belongs to the top level",
        "  line 6: search.data.root: unknown key; it stands in a section; write `data: {root: ...}`",
    ]


def test_letters_and_blanks_that_look_like_others_are_shown(tmp_path):
    text = "\u00a0\u00a0layers: 8\nsearch:\n  rounds: \u22122\n  epochs: 2\u00a0\n  batch_size: \uff12\n"
    key, *values = problems(text, tmp_path=tmp_path)
    assert r"unknown key; '\xa0\xa0layers' holds characters outside ASCII" in key
    assert [value.rpartition(" (")[2] for value in values] == [r"'\u22122')", r"'2\xa0')", r"'\uff12')"]


def test_a_list_with_a_wrong_item_is_one_problem(tmp_path):
    assert problems("seeds: [-1]", tmp_path=tmp_path) == ["  line 1: seeds.0: must be at least 0; found -1"]
    assert problems("seeds: []", tmp_path=tmp_path) == ["  line 1: seeds: a list of at least 1 is needed; found 0"]
