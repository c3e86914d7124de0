"""`lbt bench NETWORK...`: time networks in every form in which they can be deployed."""

from __future__ import annotations

import argparse
from pathlib import Path

from lbt.errors import LbtError

HELP = "time networks by backend and precision, beside networks that were not searched here"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add networks, size, backends and where the table goes."""
    parser.description = """\
Reads networks, and times each with every backend and precision that this machine has, from an image to the class of
each pixel. Networks with random weights take turns with them: FasterSeg's released network, Fast-SCNN,
LR-ASPP-MobileNetV3 and DeepLabV3-MobileNetV3. Prints one table. Writes it into a folder if --output names one."""
    parser.epilog = """\
Nothing else should run on the machine.

Exit code 0 if the table was printed; 1 if not."""
    parser.add_argument(
        "networks",
        type=Path,
        nargs="+",
        metavar="NETWORK",
        help="networks of a run, such as results/default/best/network.pt, and ONNX files of `lbt export`",
    )
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        metavar=("H", "W"),
        help="height and width of the image in pixels (default: the size at which the first network was timed)",
    )
    parser.add_argument(
        "--backends",
        nargs="+",
        choices=("eager", "compile", "onnxruntime"),
        metavar="BACKEND",
        help="eager, compile (takes a minute more for each network) or onnxruntime (eager and, if installed, "
        "onnxruntime)",
    )
    parser.add_argument("--turns", type=int, default=20, metavar="N", help="timed passes of each form (20)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads (1)")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto uses a GPU if there is one (auto)"
    )
    parser.add_argument(
        "--run", type=Path, metavar="RUN", help="score each precision on the held-out images of this run"
    )
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="write bench.csv, bench.html and bench.md there")


def run(options: argparse.Namespace) -> None:
    """Time the networks, and print the table."""
    from lbt.config import ComputeSettings, LatencyKey
    from lbt.data.normalise import normalise
    from lbt.evaluation.bench import (
        draw_scene,
        list_forms,
        prepare_baselines,
        prepare_file,
        prepare_network,
        score_precisions,
        time_entries,
    )
    from lbt.evaluation.segmenter_scores import score_segmenter
    from lbt.inference.input_files import refuse_as_network, require_sides
    from lbt.inference.network_file import load_network
    from lbt.inference.onnx_network import OnnxNetwork
    from lbt.inference.summary import count_threads
    from lbt.latency.current_key import current_key
    from lbt.latency.deployment import find_obstacle
    from lbt.runtime.device import prepare_device
    from lbt.views.tables.bench import make_bench_table
    from lbt.views.tables.terminal import fit_to_width, terminal_width

    for option, value in (("--turns", options.turns), ("--threads", options.threads)):
        if value < 1:
            raise LbtError(f"{option}: is {value}; write a number above 0.")
    if options.size is not None:
        require_sides(options.size)
    for path in options.networks:
        refuse_as_network(path, "further networks")
    device = prepare_device(ComputeSettings(device=options.device, threads=options.threads))
    for backend in options.backends or ():
        if obstacle := find_obstacle(LatencyKey(backend=backend), device):
            raise LbtError(f"--backends: {obstacle[1]}.")
    forms = list_forms(options.backends or ("eager", "onnxruntime"), device)
    trained = {path: load_network(path, trainable=True) for path in options.networks if path.suffix.lower() != ".onnx"}
    files = {path: OnnxNetwork(path, device.type, options.threads) for path in options.networks if path not in trained}
    sizes = [network.input_size for network in trained.values()] + [file.input_size for file in files.values()]
    size = tuple(options.size) if options.size else next(filter(None, sizes), None)
    if size is None:
        raise LbtError(
            f"{options.networks[0]}: has no input size, because it is not a finished network. Add --size H W."
        )
    scene, entries = draw_scene(size), []
    for path, network in trained.items():
        miou = score_precisions(network, options.run, device)
        images = normalise(scene[None], network.mean, network.std)
        entries += prepare_network(str(path), network.network.cpu(), forms, images, device, options.threads, miou)
    for path, file in files.items():
        score = None if options.run is None else score_segmenter(file, file.classes, options.run)
        entries.append(prepare_file(str(path), file, scene, device, score))
    named = [network.classes for network in trained.values()] + [file.classes for file in files.values()]
    classes = len(named[0])
    entries += prepare_baselines(forms, scene, classes, device, options.threads)
    rows = time_entries(entries, options.turns, options.threads)
    key = current_key(LatencyKey(input_size=size), options.threads, device, classes)
    where = (
        f"{key.device}, {count_threads(options.threads)}, {size[0]} x {size[1]} pixels (height x width), {key.software}"
    )
    table = make_bench_table(rows, where)
    print(fit_to_width(table.markdown(), terminal_width()))
    if options.output is not None:
        table.write(options.output)
