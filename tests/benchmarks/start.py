"""Time from the command to "Nothing to be done" for a finished run of Cityscapes' size, and for an empty workflow.

    python tests/benchmarks/start.py [--rounds 30] [--images 5000] [--repeats 5]

The stages of the run only wrote their files; its images are empty files with the names of Cityscapes.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

from clone import HERE, PYTHON, QuickClone

from lbt.config.read import parse_settings
from lbt.data.file_versions import record_contents

PARTS = {"train": (18, 0.595), "val": (3, 0.1), "test": (6, 0.305)}
"""Cities and share of the images of each part."""


def make_images(root: Path, count: int) -> None:
    """Empty files in the Cityscapes layout."""
    for part, (cities, share) in PARTS.items():
        for number in range(round(share * count)):
            city = f"{part}city{chr(97 + number % cities)}"
            name = f"{city}_{number:06d}_000019"
            image = root / "leftImg8bit" / part / city / f"{name}_leftImg8bit.png"
            label = root / "gtFine" / part / city / f"{name}_gtFine_labelIds.png"
            for path in (image, label):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()


def seconds(command: list[str], folder: Path, environment: dict[str, str], repeats: int) -> tuple[float, float]:
    """Median wall time and median processor time of a command, in seconds."""
    clock, busy = [], []
    for _ in range(repeats):
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        clock.append(time.perf_counter() - start)
        busy.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert "Nothing to be done" in result.stdout + result.stderr, result.stdout + result.stderr
    return median(clock), median(busy)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="rounds of each of the four methods")
    parser.add_argument("--images", type=int, default=5000, help="images of all parts")
    parser.add_argument("--repeats", type=int, default=5, help="starts of each kind")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "clone")
        folder.mkdir()
        clone = QuickClone(folder, HERE / "everything.yaml", PYTHON)
        clone.settings |= {"data": {"layout": "cityscapes", "root": "data"}}
        clone.settings["search"] |= {"rounds": options.rounds, "shards": 4}
        clone.settings["methods"] = ["fasterseg", "lbt", "lpt", "random"]
        make_images(folder / "data", options.images)
        clone.finish()
        settings = parse_settings(clone.settings, "start")
        data = settings.data.model_copy(update={"root": str(folder / "data")})
        record_contents(data, settings.splits, folder / "results" / "played" / "data" / "files.csv")

        (folder / "empty").write_text("rule all:\n    output: 'empty'\n")
        snakemake = [sys.executable, "-m", "snakemake", "--cores", "2"]
        own = seconds([*snakemake, "--snakefile", "empty"], folder, clone.environment, options.repeats)
        ours = seconds(
            [sys.executable, "-m", "snakemake", *clone.write_settings()], folder, clone.environment, options.repeats
        )
        jobs = len(clone.would_run("--forceall"))
    print(f"{options.images} images, {jobs} jobs, median of {options.repeats}: wall time and processor time in s")
    for what, (clock, busy) in (("Snakemake with an empty file", own), ("the workflow, nothing to do", ours)):
        print(f"{what:30} {clock:6.2f} {busy:6.2f}")


if __name__ == "__main__":
    main()
