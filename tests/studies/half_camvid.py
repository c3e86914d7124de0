"""CamVid at half its height and width, with the end of each training video held out, for config/lbt-bench.yaml.

    python tests/studies/half_camvid.py CAMVID FOLDER

CAMVID is the folder of the SegNet tutorial's layout: train/, trainannot/, val/, valannot/, test/. FOLDER receives
images/ and masks/. Of both, `train` holds five of six stretches of each training video, `val-stretches` the last one,
and `val-official` the official validation images. `test` has images only, because its labels are held back. Images are
averaged over 2 x 2 pixels; of masks each second pixel is taken.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

STRETCHES = 6


def held_out(stems: list[str]) -> set[str]:
    """The last of `STRETCHES` stretches of each video; an image is called `<video>_<frame>`."""
    videos: dict[str, list[str]] = {}
    for stem in sorted(stems):
        videos.setdefault(stem.split("_")[0], []).append(stem)
    return {stem for frames in videos.values() for stem in frames[-round(len(frames) / STRETCHES) :]}


def halve(source: Path, target: Path, filter: Image.Resampling) -> None:
    """Write an image at half its height and width."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as image:
        image.resize((image.width // 2, image.height // 2), filter).save(target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("camvid", type=Path, metavar="CAMVID")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    last = held_out([path.stem for path in (options.camvid / "train").iterdir()])
    kinds = (("images", "", Image.Resampling.BOX), ("masks", "annot", Image.Resampling.NEAREST))
    for kind, suffix, filter in kinds:
        for part in ("train", "val", "test"):
            for path in sorted(options.camvid.joinpath(part + suffix).glob("*")):
                train = "val-stretches" if path.stem in last else "train"
                place = {"train": train, "val": "val-official", "test": "test"}[part]
                halve(path, options.folder / kind / place / f"{path.stem}.png", filter)


if __name__ == "__main__":
    main()
