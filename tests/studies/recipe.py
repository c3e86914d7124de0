"""Recipes of retraining at equal processor time: losses, optimisers, averaging and sizes, one change at a time.

One genotype, drawn at random, is retrained by the stage `retrain` with each recipe (an arm) and seed. Every arm gets
the steps that fit into the same processor time: the seconds of a step are measured first, for all arms in turn.
Training and scores use the official training images alone. Their last groups, such as the end of a video, are held
out for the scores.

There are two data sets: the synthetic scenes of config/config.yaml, and CamVid as in config/camvid-cpu.yaml at half its
resolution. Results are kept in FOLDER, from which an interrupted study resumes; `--table` only writes the table again.

    PYTHONPATH=tests python tests/studies/recipe.py FOLDER --camvid ROOT [--csv table.csv]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from recipe_arms import ARMS, OF_CAMVID
from recipe_data import camvid, scenes
from recipe_runs import measure_steps, run_arm
from recipe_table import markdown, table

from lbt.runtime.metrics_csv import write_metrics

ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="keeps the results, from which the study resumes")
    parser.add_argument("--camvid", type=Path, help="folder of CamVid; without it the scenes are studied alone")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--arms", nargs="+", choices=ARMS, metavar="ARM", help="only these, compared with the first")
    parser.add_argument("--seconds", type=float, default=60.0, help="processor time of a retraining on the scenes")
    parser.add_argument("--camvid-seconds", type=float, default=80.0, help="the same on CamVid")
    parser.add_argument("--csv", type=Path, help="file for the tables' numbers, beside which the other data set's lies")
    parser.add_argument("--table", action="store_true", help="only the table of the results so far")
    options = parser.parse_args()

    config = ROOT / "config"
    arms = tuple(options.arms or ARMS)
    sets = [scenes(options.folder / "scenes", options.seconds, arms, config / "config.yaml")]
    if options.camvid is not None:
        place, arms = options.folder / "camvid", tuple(arm for arm in arms if arm in OF_CAMVID)
        sets.append(camvid(options.camvid, place, options.camvid_seconds, arms, config / "camvid-cpu.yaml"))
    if not options.table:
        measured = [measure_steps(data) for data in sets]
        for seed in range(options.seeds):
            for data, seconds in zip(sets, measured, strict=True):
                for arm in data.arms:
                    run_arm(data, arm, seed, seconds)
    for data in sets:
        rows = table(data)
        print(f"\n{markdown(rows)}")
        if options.csv is not None:
            write_metrics(options.csv.with_stem(f"{options.csv.stem}-{data.name}"), rows)


if __name__ == "__main__":
    main()
