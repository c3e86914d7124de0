"""Labelling beside its network's own work: seconds of an image, and processor time of all the rest.

    python tests/benchmarks/labelling.py [--images 12] [--height 1024 --width 2048] [--workers 1] [--turns 3]

The stage `label`, with its start, the bare passes over the same images, and passes with the class of each pixel take
turns. A GPU does the work of the latter. The rest of the stage is decoding, normalising, and writing the shard. The
supernet has random weights, and the scenes are generated.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from stage_calls import call_stage

from lbt.config import Settings
from lbt.config.read import parse_settings
from lbt.data.classes import class_table
from lbt.data.dataset import decode_image
from lbt.data.normalise import normalise
from lbt.pseudo_labels.dataset import images_to_label
from lbt.runtime.checkpoint import save_checkpoint
from lbt.runtime.device import prepare_device
from lbt.space.architecture import first_architecture
from lbt.space.class_map import class_map
from lbt.space.supernet import Supernet
from lbt.space.supernet_file import KIND, supernet_identity
from lbt.space.widths import argmax_widths


def settings_of(options: argparse.Namespace, folder: Path) -> Settings:
    """Scenes of the size, all of whose unlabelled images go into one shard."""
    content = {
        "scenes": {"train": 8, "val": 2, "test": options.images, "height": options.height, "width": options.width},
        "data": {"layout": "cityscapes", "root": str(folder / "scenes")},
        "space": {"layers": options.layers, "base_width": options.base_width},
        "compute": {"device": options.device, "threads": options.threads, "workers": options.workers},
    }
    return parse_settings(content, "the benchmark")


def used_by(work: Callable[[], None], images: int) -> tuple[float, float]:
    """Seconds, and seconds of processor time, for each image."""
    used, started = time.process_time(), time.perf_counter()
    work()
    return (time.perf_counter() - started) / images, (time.process_time() - used) / images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--height", type=int, default=1024)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--base-width", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="threads that decode and compress beside the network")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        settings = settings_of(options, folder)
        call_stage("scenes", settings, listing=folder / "scenes" / "scenes.json")
        call_stage("split", settings, split=folder / "split.csv")
        device, table = prepare_device(settings.compute), class_table(settings.data)
        torch.manual_seed(0)
        supernet, architecture = Supernet(settings.space, table.num_classes), first_architecture(settings.space, 0)
        identity = supernet_identity(table.names, settings.space, 0, "warmup", 0)
        state = {"supernet": supernet.state_dict(), "architecture": architecture}
        save_checkpoint(folder / "teacher.pt", kind=KIND, identity=identity, state=state)
        supernet, widths = supernet.to(device).eval(), argmax_widths(architecture, settings.space)
        samples = images_to_label(folder / "split.csv", settings.search.pseudo_labels.ratio)
        decoded = [decode_image(Path(settings.data.root) / sample.image, settings.data) for sample in samples]
        images = [normalise(image[None].to(device), settings.data.mean, settings.data.std) for image in decoded]

        def passes() -> None:
            with torch.no_grad():
                for image in images:
                    supernet(image, architecture, widths)[0].cpu()

        def classes() -> None:
            with torch.no_grad():
                for image in images:
                    low = supernet(image, architecture, widths)[0].softmax(dim=1)
                    class_map(low, (options.height, options.width)).cpu()

        def label() -> None:
            files = {name: folder / f"{name}.h5" for name in ("labels", "probabilities")}
            call_stage("label", settings, split=folder / "split.csv", teacher=folder / "teacher.pt", **files)

        forms = {"bare passes": passes, "passes with classes": classes, "the stage": label}
        for work in forms.values():
            work()
        turns = [{name: used_by(work, len(images)) for name, work in forms.items()} for _ in range(options.turns)]
    print(f"{len(images)} images of {options.height} x {options.width}, medians of {options.turns} turns, ms an image")
    print(f"{'':20} {'time':>6} {'share of the stage':>19} {'processor time':>15} {'of the stage beyond it':>23}")
    for name in forms:
        seconds, used = (median(turn[name][which] for turn in turns) for which in (0, 1))
        share = median(turn[name][0] / turn["the stage"][0] for turn in turns)
        rest = median(turn["the stage"][1] - turn[name][1] for turn in turns)
        print(f"{name:20} {1000 * seconds:6.0f} {share:19.2f} {1000 * used:15.0f} {1000 * rest:23.0f}")


if __name__ == "__main__":
    main()
