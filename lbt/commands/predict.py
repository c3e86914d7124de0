"""`lbt predict [NETWORK] IMAGE...`: segment images and videos."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lbt.errors import LbtError, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lbt.inference.onnx_network import OnnxNetwork
    from lbt.inference.predict import Outcome
    from lbt.inference.segmentation_network import SegmentationNetwork

HELP = "segment images with a network: label maps and coloured overlays"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add network, images and where the results go."""
    parser.usage = f"{parser.prog} [OPTION...] [NETWORK] IMAGE...\n       {parser.prog} [OPTION...] [NETWORK] --example"
    parser.description = """\
Reads a network and images, and segments each image. Writes label maps and coloured overlays into a folder. Replaces the
files of the same images there, but refuses a folder that holds results with other classes."""
    parser.epilog = """\
writes into DIR, at the size of each image:
  labels/NAME.png    class index of each pixel, 8 bits with a palette
  overlays/NAME.png  the image with the colours of the classes over it
  legend.png         what the colours mean; classes.csv: the same for programs
of a video:
  labels/NAME/000001.png and so on for each frame; overlays/NAME.mp4, without sound
of a folder:
  the same, with the path below the folder as NAME; with several folders, NAME begins with the folder's name

Without NETWORK, the network of the package is used. It knows street scenes only, in the 11 classes of CamVid. The
printed speed leaves out warm-up passes; "its profile" is the speed that the network's run measured.
A photograph whose camera marked it as rotated is turned upright. Videos need PyAV: pip install av.

Exit code 0 if all images were segmented; 1 if not: images that cannot be read are named and skipped."""
    network = parser.add_argument(
        "network",
        type=Path,
        metavar="NETWORK",
        help="a network of a run, such as results/default/best/network.pt, or an ONNX file of `lbt export`; "
        "a first path that ends neither in .pt nor in .onnx is an image already",
    )
    images = parser.add_argument(
        "images",
        type=Path,
        nargs="+",
        metavar="IMAGE",
        help="an image of 8 bits a channel, a folder of images, or a video",
    )
    # Argparse would take optional ones as absent at the first option, and refuse images behind it.
    network.required = images.required = False
    parser.add_argument("--example", action="store_true", help="segment a synthetic street scene, DIR/example.png")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for the results (predictions; without NETWORK predictions/streets, because its classes differ)",
    )
    parser.add_argument(
        "--opacity", type=float, default=0.5, metavar="SHARE", help="opacity of the colours in overlays, 0 to 1 (0.5)"
    )
    parser.add_argument("--side-by-side", action="store_true", help="put the photograph beside each overlay")
    parser.add_argument(
        "--max-pixels",
        type=int,
        metavar="N",
        help="most pixels of an image or frame; a larger one is skipped before it fills the memory (70 million)",
    )
    parser.add_argument(
        "--fast",
        action="store_true",
        help="compute in bfloat16, which changes a few labels; needs a processor with bfloat16",
    )
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto uses a GPU if there is one (auto)"
    )


def run(options: argparse.Namespace) -> None:
    """Segment the images, and print the speed."""
    from lbt.data.images import MAX_PIXELS
    from lbt.inference.example import write_example
    from lbt.inference.input_files import describe_left_out, find_inputs, refuse_as_folder, split_network
    from lbt.inference.predict import predict_files

    if not 0 <= options.opacity <= 1:
        raise LbtError(f"--opacity: is {options.opacity:g}; write a number from 0 to 1.")
    max_pixels = MAX_PIXELS if options.max_pixels is None else options.max_pixels
    if max_pixels < 1:
        raise LbtError(f"--max-pixels: is {max_pixels}; write a number above 0.")
    named = [options.network] if options.network is not None else []
    path, inputs = split_network([*named, *(options.images or ())])
    if not inputs and not options.example:
        raise LbtError("Name an image, a folder or a video; `lbt predict --example` segments a synthetic street scene.")
    output = options.output or Path("predictions" if path else "predictions/streets")
    refuse_as_folder(output)
    network, where, threads = _prepare(path, options)
    for line in describe_left_out(inputs):
        print(visible(line), file=sys.stderr)
    files = find_inputs([*inputs, *([write_example(output)] if options.example else [])], output)
    if path is None:
        print(_introduce(network))
    done = predict_files(network, files, output, options.opacity, max_pixels, side_by_side=options.side_by_side)
    print(f"{output}: {done.speed()}")
    if done.latency:
        print(f"network alone: {done.latency}, {where}")
    for line in _compare_with_profile(network, done, threads) if done.count else ():
        print(line)
    if done.written:
        print(f"To see the result, open {visible(done.written[0])}")
    if done.unreadable:
        lines = [line for message in done.unreadable for line in message.splitlines()]
        raise LbtError(f"{len(done.unreadable)} of {len(files)} images could not be read:", *lines)


def _prepare(path: Path | None, options: argparse.Namespace) -> tuple[SegmentationNetwork | OnnxNetwork, str, int]:
    """The network on its device; device, threads and number format in words; CPU threads, 0 on a GPU."""
    import torch

    from lbt.config import ComputeSettings
    from lbt.inference.network_file import BUNDLED, load_network
    from lbt.inference.summary import count_threads
    from lbt.runtime.device import device_name, has_bfloat16, prepare_device

    threads = torch.get_num_threads()
    device = prepare_device(ComputeSettings(device=options.device, threads=threads))
    network: SegmentationNetwork | OnnxNetwork
    if path is not None and path.suffix.lower() == ".onnx":
        from lbt.inference.onnx_network import OnnxNetwork

        if options.fast:
            raise LbtError("--fast: is for networks of a run. Export another precision with `lbt export --precision`.")
        network = OnnxNetwork(path, options.device, threads)
        if network.provider == "CPUExecutionProvider":
            device = torch.device("cpu")
        form = f"ONNX Runtime, {visible(network.precision, 20)}"
    else:
        network = load_network(path or BUNDLED).to(device)
        form = "eager, float32"
        if options.fast:
            if not has_bfloat16(device):
                raise LbtError("--fast: this device has no instructions for bfloat16. Leave the option out.")
            network, form = network.fast(), "eager, bfloat16"
    host = "" if device.type == "cuda" else f", {count_threads(threads)}"
    where = f"{device_name(device)}{host}, {form}, torch {torch.__version__}"
    return network, where, 0 if device.type == "cuda" else threads


def _introduce(network: SegmentationNetwork | OnnxNetwork) -> str:
    """What the network of the package is and is not."""
    scores = getattr(network, "scores", None) or {}
    return (
        f"Network of the package (no NETWORK is named): street scenes only, {len(network.classes)} classes "
        f"({', '.join(network.classes)}), {100 * scores['miou']:.1f} % mIoU on CamVid's validation images."
    )


def _compare_with_profile(network: SegmentationNetwork | OnnxNetwork, done: Outcome, threads: int) -> Iterator[str]:
    """The speed that the network's run measured, and what to do if this one is far lower."""
    from lbt.inference.segmentation_network import SegmentationNetwork
    from lbt.inference.summary import describe_profile
    from lbt.inference.timed_network import explain_slow

    if not isinstance(network, SegmentationNetwork):
        return
    if profile := describe_profile(network.profile, network.input_size):
        yield f"its profile:   {profile}"
    if slow := explain_slow(network.profile, network.input_size, done.milliseconds, done.pixels, threads):
        yield slow
