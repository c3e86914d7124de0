"""`python -m lbt export NETWORK OUT`: a network as an ONNX file."""

from __future__ import annotations

import argparse
from pathlib import Path

from lbt.errors import LbtError

HELP = "write a network as an ONNX file and compare the two"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add network, file and size."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = """\
Reads a network. Writes it as an ONNX file that takes photographs, after a comparison of the two, in ONNX Runtime and
PyTorch on the CPU."""
    parser.epilog = """\
The graph normalises photographs itself:
  input   images  (B, 3, H, W) uint8, red, green, blue from 0 to 255
  output  logits  (B, C, H, W) float32
          labels  (B, H, W) uint8, index into the classes
Its metadata hold the classes, their colours, mean, std, scores (JSON) and the digest of the settings. The file is
written only if ONNX Runtime gives each logit of PyTorch to within 1e-4 of the largest logit.
Exit code 0 if it was written; 1 if not."""
    parser.add_argument(
        "network",
        type=Path,
        metavar="NETWORK",
        help="a network of a run, such as results/default/networks/lbt-seed-0.pt",
    )
    parser.add_argument("output", type=Path, metavar="OUT", help="the file to write, such as network.onnx")
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        metavar=("H", "W"),
        help="height and width of the images in pixels, at least 32 (that at which the network was timed)",
    )
    parser.add_argument("--dynamic", action="store_true", help="take batches of any number and images of any size")


def run(options: argparse.Namespace) -> None:
    """Export; what was compared goes to standard output."""
    from lbt.inference.input_files import refuse_as_network
    from lbt.inference.network_file import load_network
    from lbt.inference.onnx_export import export_network

    if options.output.resolve() == options.network.resolve():
        raise LbtError(f"{options.output}: is the network itself and would be replaced. Name another file.")
    refuse_as_network(options.network, "the file to write")
    if options.output.is_dir():
        raise LbtError(f"{options.output}: is a folder. Name the file to write, such as {options.output}/network.onnx.")
    network = load_network(options.network)
    size = network.input_size if options.size is None else tuple(options.size)
    if size is None:
        raise LbtError(
            f"{options.network}: has no input size, because it is not the finished network. Name one below networks/, "
            "or write --size H W."
        )
    if min(size) < 32:
        raise LbtError(f"--size: is {size[0]} {size[1]}; write a height and a width of at least 32.")
    found = export_network(network, options.output, size, dynamic=options.dynamic)
    print(f"{options.output}: {options.output.stat().st_size / 1e6:.1f} MB, ONNX Runtime against PyTorch:")
    for agreement in found:
        batch, height, width = agreement.shape
        print(
            f"  {batch} x {height} x {width}: largest difference {agreement.difference:.1e} of the largest logit, "
            f"equal labels {agreement.equal:.4%}"
        )
