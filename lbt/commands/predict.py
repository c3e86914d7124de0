"""`python -m lbt predict NETWORK IMAGE...`: segment images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lbt.errors import LbtError

if TYPE_CHECKING:
    from lbt.inference.onnx_network import OnnxNetwork
    from lbt.inference.segmentation_network import SegmentationNetwork

HELP = "segment images with a network: label maps and coloured overlays"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add network, images and where the results go."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = """\
Reads a network and images, and segments each image. Writes label maps and coloured overlays into a folder. Replaces the
files of the same images there, but refuses a folder that holds results with other classes."""
    parser.epilog = """\
writes into DIR, at the size of each image:
  labels/NAME.png    class index of each pixel, 8 bits with a palette
  overlays/NAME.png  the image with the colours of the classes over it
  legend.png         what the colours mean; classes.csv: the same for programs

Exit code 0 if all images were segmented; 1 if not: images that cannot be read are named and skipped. A photograph whose
camera marked it as rotated is turned upright. For a video, extract the frames first:
  mkdir frames && ffmpeg -i clip.mp4 frames/%06d.png"""
    parser.add_argument(
        "network",
        type=Path,
        metavar="NETWORK",
        help="a network of a run, such as results/default/networks/lbt-seed-0.pt, or an ONNX file of `lbt export`",
    )
    parser.add_argument(
        "images", type=Path, nargs="+", metavar="IMAGE", help="an image of 8 bits a channel, or a folder of images"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("predictions"), metavar="DIR", help="folder for the results (predictions)"
    )
    parser.add_argument(
        "--opacity", type=float, default=0.5, metavar="SHARE", help="opacity of the colours in overlays, 0 to 1 (0.5)"
    )
    parser.add_argument(
        "--max-pixels",
        type=int,
        metavar="N",
        help="most pixels of an image; a larger one is skipped before it fills the memory (70 million)",
    )
    parser.add_argument(
        "--fast", action="store_true", help="compute in bfloat16, which changes a few labels; needs such a processor"
    )
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto uses a GPU if there is one (auto)"
    )


def run(options: argparse.Namespace) -> None:
    """Segment the images, and print the speed."""
    import torch

    from lbt.config import ComputeSettings
    from lbt.data.images import MAX_PIXELS
    from lbt.inference.input_files import find_images, refuse_as_folder, refuse_as_network
    from lbt.inference.network_file import load_network
    from lbt.inference.predict import predict_images
    from lbt.runtime.device import has_bfloat16, prepare_device

    if not 0 <= options.opacity <= 1:
        raise LbtError(f"--opacity: is {options.opacity:g}; write a number from 0 to 1.")
    max_pixels = MAX_PIXELS if options.max_pixels is None else options.max_pixels
    if max_pixels < 1:
        raise LbtError(f"--max-pixels: is {max_pixels}; write a number above 0.")
    refuse_as_network(options.network, "the images")
    refuse_as_folder(options.output)
    threads = torch.get_num_threads()
    device = prepare_device(ComputeSettings(device=options.device, threads=threads))
    network: SegmentationNetwork | OnnxNetwork
    if options.network.suffix.lower() == ".onnx":
        from lbt.inference.onnx_network import OnnxNetwork

        if options.fast:
            raise LbtError("--fast: is for networks of a run. Export another precision with `lbt export --precision`.")
        network = OnnxNetwork(options.network, options.device, threads)
    else:
        network = load_network(options.network).to(device)
        if options.fast:
            if not has_bfloat16(device):
                raise LbtError("--fast: this device has no instructions for bfloat16. Leave the option out.")
            network = network.fast()
    images = find_images(options.images, options.output)
    done = predict_images(network, images, options.output, options.opacity, max_pixels)
    print(f"{options.output}: {done.speed()}")
    if done.unreadable:
        raise LbtError(f"{len(done.unreadable)} of {len(images)} images could not be read:", *done.unreadable)
