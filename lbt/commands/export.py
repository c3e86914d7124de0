"""`lbt export NETWORK [OUT]`: write a network as an ONNX file."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from lbt.errors import LbtError

HELP = "write a network as an ONNX file, compared with PyTorch"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add network, file and size."""
    parser.description = """\
Reads a network, and runs it on the CPU in PyTorch and as ONNX. Writes the ONNX file only if the results agree."""
    parser.epilog = """\
The graph normalises photographs itself:
  input   images         (B, 3, H, W) uint8, red, green, blue from 0 to 255
  output  logits         (B, C, H, W) float32
          labels         (B, H, W) uint8, index into the classes
          coarse_logits  (B, C, H / s, W / s) float32, the logits at the network's stride s; sides are rounded up
The metadata hold the classes, their colours, mean, std, scores (float32 only) and the digest of the settings. The
results agree if no logit differs by more than 1e-4 of the largest logit (float16: 2e-2). For int8, whose ranges are
measured on 32 training images, the command prints the share of equal labels.

Exit code 0 if the file was written; 1 if not."""
    parser.add_argument(
        "network",
        type=Path,
        metavar="NETWORK",
        help="a network of a run, such as results/default/best/network.pt",
    )
    parser.add_argument(
        "output",
        type=Path,
        nargs="?",
        metavar="OUT",
        help="the file to write (beside the network: network.onnx, or network-float16.onnx, network-int8.onnx)",
    )
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        metavar=("H", "W"),
        help="height and width of the images in pixels, at least 32 (default: the size of the network's timing)",
    )
    parser.add_argument("--dynamic", action="store_true", help="accept batches and images of any size")
    parser.add_argument(
        "--precision",
        choices=("float32", "float16", "int8"),
        default="float32",
        help="number format: float16 for GPUs, int8 for processors; int8 needs --run (float32)",
    )
    parser.add_argument("--run", type=Path, metavar="RUN", help="the run whose images int8 and --score read")
    parser.add_argument("--score", action="store_true", help="score the file on the held-out images of --run")


def run(options: argparse.Namespace) -> None:
    """Export the network, and print how well both agree."""
    import torch

    from lbt.inference.input_files import refuse_as_network, require_sides
    from lbt.inference.network_file import load_network
    from lbt.inference.onnx_export import export_network

    if options.output is None:
        refuse_as_network(options.network, "the file to write")
        form = "" if options.precision == "float32" else f"-{options.precision}"
        options.output = options.network.with_name(f"{options.network.stem}{form}.onnx")
    if os.path.realpath(options.output) == os.path.realpath(options.network):
        raise LbtError(f"{options.output}: is the network itself. Name another file to write.")
    refuse_as_network(options.network, "the file to write")
    if options.output.is_dir():
        raise LbtError(f"{options.output}: is a folder. Name the file to write, such as {options.output}/network.onnx.")
    if options.output.suffix != ".onnx" and (options.output.suffix or options.output.exists()):
        what = "exists and is no .onnx file" if options.output.exists() else "does not end in .onnx"
        raise LbtError(f"{options.output}: {what}. Name the file to write, such as {options.output.stem}.onnx.")
    network = load_network(options.network)
    size = network.input_size if options.size is None else (options.size[0], options.size[1])
    if size is None:
        raise LbtError(
            f"{options.network}: has no input size, because it is not a finished network. Name a file below networks/, "
            "or add --size H W."
        )
    require_sides(size)
    if options.run is None and (options.score or options.precision == "int8"):
        needs = "--score" if options.score else "--precision int8"
        raise LbtError(f"{needs}: needs images. Add --run RUN, the folder of a run, such as results/default.")
    if options.precision == "int8":
        from lbt.inference.calibration_images import read_calibration_images
        from lbt.inference.onnx_quantize import export_int8

        images = read_calibration_images(options.run, size)
        equal = export_int8(network, options.output, size, images, dynamic=options.dynamic)
        print(f"{options.output}: {options.output.stat().st_size / 1e6:.1f} MB, int8 against float32:")
        print(f"  equal labels {100 * equal:.4f} % on {len(images)} training images")
    else:
        precision = options.precision
        found = export_network(network, options.output, size, dynamic=options.dynamic, precision=precision)
        print(f"{options.output}: {options.output.stat().st_size / 1e6:.1f} MB, ONNX Runtime against PyTorch:")
        for agreement in found:
            batch, height, width = agreement.shape
            print(
                f"  {batch} x {height} x {width}: largest difference {agreement.difference:.1e} of the largest logit, "
                f"equal labels {100 * agreement.equal:.4f} %"
            )
    if options.score:
        from lbt.evaluation.segmenter_scores import score_segmenter
        from lbt.inference.onnx_network import OnnxNetwork

        written = OnnxNetwork(options.output, "cpu", torch.get_num_threads())
        miou = score_segmenter(written, written.classes, options.run)
        reference = "" if network.miou is None else f"; the network's own is {100 * network.miou:.2f} %"
        print(f"  mIoU on the held-out images {100 * miou:.2f} %{reference}")
