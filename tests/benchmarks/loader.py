"""Loading and scoring in processor time, beside Pillow's decoding alone and beside another version of the code.

    python tests/benchmarks/loader.py [--before CHECKOUT] [--camvid FOLDER] [--turns 9] [--images 24]

Everything runs in one thread without loader processes, in a process per version. The two versions take turns, and the
table shows medians over the turns. Data sets: generated scenes of 1024 x 2048 pixels (PNG) at the crop of
config/cityscapes.yaml, and CamVid at that of config/camvid.yaml, each with scales from 0.5 to 2.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import torch
import yaml
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
STRIDE = 8
"""Output stride at which soft labels are stored."""


def cases(options: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Name, `data` and `augmentation` of each data set."""
    yield "scenes", {"root": str(options.folder)}, {"crop": options.crop, "scale": [0.5, 2.0]}
    if options.camvid:
        settings = yaml.safe_load(Path("config/camvid.yaml").read_text())  # of the version that runs
        yield "CamVid", settings["data"] | {"root": str(options.camvid.resolve())}, settings["augmentation"]


class SoftLabels:
    """Images with soft labels of 19 classes."""

    def __init__(self, dataset: Any, size: tuple[int, int]) -> None:
        self.dataset = dataset
        self.soft = torch.rand(19, *(-(-side // STRIDE) for side in size)).softmax(dim=0)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.dataset[index][0], self.soft


def parts(options: argparse.Namespace) -> dict[str, Callable[[], int]]:
    """What is timed: each function works on some images and returns their number."""
    from lbt.config.data import AugmentationSettings, DataSettings
    from lbt.data.classes import class_table
    from lbt.data.dataset import SegmentationDataset
    from lbt.data.layouts import list_samples
    from lbt.data.loader import training_loader
    from lbt.evaluation.scores import count_confusion

    torch.set_num_threads(1)
    found: dict[str, Callable[[], int]] = {}

    def add(name: str, data: DataSettings, augmentation: AugmentationSettings) -> None:
        table = class_table(data)
        samples = list_samples(data, "train")[: options.images]
        dataset = SegmentationDataset(samples, data, table)
        files = [Path(data.root) / file for sample in samples for file in (sample.image, sample.label)]
        image, mask = dataset[0]
        logits = torch.nn.functional.one_hot(mask.long().clamp(max=18), 19).permute(2, 0, 1)[None].float()
        logits = logits.contiguous()

        def pillow() -> int:
            for file in files:
                with Image.open(file) as opened:
                    opened.load()
            return len(samples)

        def loading(items: Any) -> Callable[[], int]:
            options_ = {"batch_size": 4, "seed": 0, "steps": 10**6, "crop": augmentation.crop}
            batches = training_loader(items, data=data, augmentation=augmentation, **options_)

            def load() -> int:
                for _ in range(-(-options.images // 4)):
                    next(batches)
                return 4 * -(-options.images // 4)

            return load

        def score() -> int:
            count_confusion(lambda _: logits, [(image[None], mask[None].long())] * 4, 19, torch.device("cpu"))
            return 4

        def largest() -> int:
            for _ in range(4):
                logits.argmax(dim=1)
            return 4

        found.update({f"{name}: Pillow's decoding": pillow, f"{name}: training": loading(dataset)})
        try:
            from lbt.data.decoded_cache import keep_decoded
        except ImportError:
            found[f"{name}: training, images kept"] = found[f"{name}: training"]
        else:
            kept = keep_decoded(dataset, "memory", 100)
            for index in range(len(kept)):
                kept[index]
            found[f"{name}: training, images kept"] = loading(kept)
        found[f"{name}: soft labels"] = loading(SoftLabels(dataset, tuple(mask.shape)))
        found[f"{name}: scores"] = score
        found[f"{name}: scores, the largest logit alone"] = largest

    for name, data, augmentation in cases(options):
        add(
            name,
            DataSettings.model_validate_json(json.dumps(data)),
            AugmentationSettings.model_validate_json(json.dumps(augmentation)),
        )
    return found


def serve(options: argparse.Namespace) -> None:
    """Answer each line of the standard input, a part's name, with milliseconds of processor time per image."""
    timed = parts(options)
    print(json.dumps(list(timed)), flush=True)
    for line in sys.stdin:
        start = time.process_time()
        count = timed[line.strip()]()
        print(1000 * (time.process_time() - start) / count, flush=True)


class Version:
    """A process that runs the code of one checkout."""

    def __init__(self, checkout: Path, arguments: list[str]) -> None:
        environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), *arguments, "--serve"],
            cwd=checkout,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.parts: list[str] = json.loads(self._answer())
        self.times: dict[str, list[float]] = {part: [] for part in self.parts}

    def measure(self, part: str) -> None:
        assert self.process.stdin is not None
        print(part, file=self.process.stdin, flush=True)
        self.times[part].append(float(self._answer()))

    def close(self) -> None:
        self.process.communicate()

    def _answer(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a version of the code failed; its message is above")
        return line


def table(now: Version, before: Version | None) -> str:
    """Medians; ratios are medians of those of the turns."""
    lines = [f"{'processor time per image, ms':46} {'now':>8} {'before':>8} {'ratio':>6} {'share of Pillow':>16}"]
    for part, times in now.times.items():
        line = f"{part:46} {median(times):8.2f}"
        pillow = now.times[f"{part.partition(':')[0]}: Pillow's decoding"]
        shares = [f"{median(p / t for p, t in zip(pillow, times, strict=True)):.2f}"]
        if before is None:
            line += f" {'':8} {'':6}"
        else:
            earlier = before.times[part]
            line += f" {median(earlier):8.2f} {median(n / b for n, b in zip(times, earlier, strict=True)):6.2f}"
            shares.append(f"{median(p / t for p, t in zip(pillow, earlier, strict=True)):.2f} before")
        lines.append(f"{line} {', '.join(shares):>16}" if "training" in part else line)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="checkout of the version to compare with")
    parser.add_argument("--camvid", type=Path, help="folder of CamVid (train, trainannot, ...)")
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--images", type=int, default=24, help="images of each data set")
    parser.add_argument("--height", type=int, default=1024, help="of the scenes")
    parser.add_argument("--width", type=int, default=2048, help="of the scenes")
    parser.add_argument("--folder", type=Path, help="of the scenes, which are generated if it is empty")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.crop = [options.height // 2, options.width // 2]
    if options.serve:
        serve(options)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary) / "scenes").resolve()
        if not folder.exists():
            generate(folder, options)
        arguments = [
            argument
            for name in ("camvid", "images", "height", "width")
            if getattr(options, name)
            for argument in (f"--{name}", str(getattr(options, name)))
        ]
        arguments += ["--folder", str(folder)]
        now = Version(ROOT, arguments)
        before = None if options.before is None else Version(options.before.resolve(), arguments)
        versions = [version for version in (now, before) if version is not None]
        for turn in range(options.turns + 1):
            for part in now.parts:
                for version in versions:
                    version.measure(part)
            if turn == 0:  # warms caches up
                for version in versions:
                    version.times = {part: [] for part in version.parts}
        for version in versions:
            version.close()
        print(table(now, before))


def generate(folder: Path, options: argparse.Namespace) -> None:
    from lbt.config.data import DataSettings, SceneSettings
    from lbt.config.jobs import ScenesJob
    from lbt.data.scenes.write_dataset import Files, run

    size = {"height": options.height, "width": options.width}
    scenes = SceneSettings(train=max(8, options.images), val=2, test=1, **size)
    run(ScenesJob(data=DataSettings(root=str(folder)), scenes=scenes), Files(folder / "scenes.json"))


if __name__ == "__main__":
    main()
