"""`lbt init PHOTOS MASKS`: write a file of settings for your own photographs."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "write settings for your own photographs and masks, ready to run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the two folders, the names of classes and the file to write."""
    parser.description = """\
Reads photographs and masks, proposes settings for them, and checks them as a run would. Writes a YAML file with
comments that runs without editing, and prints the next commands.

Masks hold one value per class: ids (grey or palette PNG, 0/255 too) or colours. Names of classes come from --classes,
or from Cityscapes, CamVid or PASCAL VOC where colours or names of files match. Photographs without a mask are used too:
the teacher labels them. If photographs and masks lie in folders train, val and test, these are the parts. Of very many
masks an even sample is read, and the output says so."""
    parser.epilog = """\
FILE of --classes has a line for each class; lines that begin with # are left out:
  road                   a name alone: the first line names id 0, the next id 1, ... If there are as many names as \
values, such as two for 0 and 255, they name the values in ascending order
  7,road                 the id in the masks, and the name
  7,road,#804080         with a colour, also as 128 64 128
  ,road,#804080          for masks of colours, which have no ids
Fields may also have a semicolon or a tab between them.

Exit code 0 if the file was written; 1 if not."""
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="the folder of the photographs")
    parser.add_argument(
        "masks",
        type=Path,
        metavar="MASKS",
        help="the folder of their masks; the same folder if names tell them apart, as a.jpg and a_mask.png",
    )
    parser.add_argument("--classes", type=Path, metavar="FILE", help="names of the classes, see below")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="the file to write, after which the run is named; an existing one is never replaced (default: named after "
        "the data set's folder, in config/ if the command runs in the clone)",
    )


def run(options: argparse.Namespace) -> None:
    """Write the file, and print what was found and the next commands."""
    from lbt.own_data.write import write_proposal

    for line in write_proposal(options.photos, options.masks, options.classes, options.output):
        print(line)
