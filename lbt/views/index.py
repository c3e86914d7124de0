"""The page of a run, `results/<run>/index.html`: where it stands, and its results as soon as there are some.

The page opens offline and holds its pictures. Writing it imports no PyTorch and takes well under a second.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lbt.errors import LbtError, visible
from lbt.files import write_text
from lbt.views.best_network import PACKED, FinishedNetwork, Found, find_networks, read_image_scores
from lbt.views.live_curves import read_charts
from lbt.views.page import render
from lbt.views.pictures import embed_figure, embed_picture
from lbt.views.results import ConstantScores, read_part
from lbt.views.run_state import FINISHED, RUNNING, RunState, describe_seconds
from lbt.views.tables.formats import format_percent, format_prose
from lbt.views.tables.markdown import ShownTable, read_table

INDEX = "index.html"
_SPREAD, _EXTREMES = 4, 2
"""Pictures of evenly spaced images; of the worst and of the best ones. A wide page has two columns."""
_CURVES = {
    "losses": "mIoU and losses over the rounds",
    "retraining": "Retraining",
    "warmup": "Warm-up of supernet and student",
    "architecture": "Latency and entropies over the rounds",
    "gradients": "Gradients and skipped updates over the rounds",
}
_TABLES = {
    "summary": "mIoU by method",
    "miou": "mIoU by method and seed",
    "classes": "IoU by class",
    "latency": "latency predicted against measured",
    "decisions": "how far the search decided",
}


def write_index(run: Path, state: RunState) -> None:
    """Write the page of a run into its folder, atomically.

    Args:
        run: the folder of the run, such as `results/default`.
        state: where it stands.

    Raises:
        LbtError: the page cannot be written.
    """
    write_text(run / INDEX, make_index(run, state))


def make_index(run: Path, state: RunState) -> str:
    """The page as text."""
    found = find_networks(run)
    best, table = found.best, _read_summary(run)
    return render(
        "index.html",
        title=f"Run {visible(run.name)}",
        state=state,
        written=time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(state.now)),
        until=_describe_end(state),
        is_running=state.state == RUNNING,
        is_finished=state.state == FINISHED,
        seconds=describe_seconds,
        found=found,
        best=best,
        percent=format_percent,
        table=table or _list_networks(run, found),
        warnings=list(map(format_prose, table.warnings)) if table else [],
        outdated=table is not None and any(s.name == "tables" and s.ended < s.planned for s in state.stages),
        pictures=list(_choose_pictures(run, best)) if best else [],
        tradeoff=_figure(run, "figures/accuracy-latency.svg", "Accuracy against latency"),
        network=_figure(run, f"figures/{best.place}/network.svg", "The derived network") if best else None,
        curves=[curve for name, title in _CURVES.items() if (curve := _figure(run, f"figures/{name}.svg", title))],
        charts=[] if state.state == FINISHED else read_charts(run / "logs"),
        links=list(_list_links(run)),
        command=f"lbt status {run}",
    )


def _describe_end(state: RunState) -> str:
    """When a run will end, in words; empty if it does not run or nobody knows."""
    if state.state != RUNNING or state.left is None:
        return ""
    end = time.strftime("%H:%M", time.localtime(state.now + state.left))
    guess = f". Partly a guess: no job of {', '.join(state.guessed)} has ended yet" if state.guessed else ""
    return f"about {describe_seconds(state.left)} left, until about {end}{guess}"


def _read_summary(run: Path) -> ShownTable | None:
    """The headline table, if there is one."""
    with suppress(OSError):
        return read_table((run / "tables" / "summary.md").read_text(encoding="utf-8", errors="replace"))
    return None


def _list_networks(run: Path, found: Found) -> ShownTable | None:
    """The networks that are finished before there is a headline table."""
    titles = ("method", "seed", "retrained mIoU", "latency (ms)", "FPS", "params (M)")
    rows = [
        [
            f"{n.method}{n.mark}",
            *(str(n.seed), format_percent(n.miou), f"{n.profile['median_ms']:.2f}", f"{n.fps:.1f}"),
            f"{n.profile['parameters'] / 1e6:.3f}",
        ]
        for n in found.networks
    ]
    with suppress(LbtError):
        constant = read_part(run / "evaluate" / "constant" / "constant.json", ConstantScores)
        rows.append(["constant (control)", "", format_percent(constant["miou"]), "", "", ""])
    if not found.networks:
        return None
    return ShownTable("Networks so far", titles, rows, [True] + [False] * 5, (), "")


def _choose_pictures(run: Path, best: FinishedNetwork) -> Iterator[dict[str, Any]]:
    """Groups of pictures of the best network: evenly spaced, worst and best images by their own mIoU."""
    scores, folder = read_image_scores(best), best.folder / "pictures"
    spread = [path.name for path in best.list_examples()]
    ranked = sorted(scores.items(), key=lambda item: item[1])
    present = [(name, miou) for name, miou in ranked if (folder / name).is_file()]
    count = min(_EXTREMES, len(ranked) // 2)
    # the worst and the best have pictures, so the ends of `present` are the ends of `ranked`
    worst, top = present[:count], present[::-1][:count]
    groups: dict[str, Sequence[tuple[str, float | None]]] = {
        "Ground truth beside prediction": [(name, scores.get(name)) for name in spread[:_SPREAD]],
        "The worst images": worst,
        "The best images": top,
    }
    for title, chosen in groups.items():
        shown = [
            {
                "name": visible(name.removesuffix(".png"), 80),
                "miou": miou,
                "source": source,
                "href": _link(run, folder / name),
            }
            for name, miou in chosen
            if (source := embed_picture(folder / name))
        ]
        if shown:
            yield {"title": title, "pictures": shown}


def _figure(run: Path, name: str, title: str) -> dict[str, str] | None:
    source = embed_figure(run / name)
    return {"title": title, "source": source, "href": _link(run, run / name)} if source else None


def _list_links(run: Path) -> Iterator[dict[str, Any]]:
    """Groups of links to what the folder of the run holds."""
    galleries = sorted(run.glob("search/*/seed-*/round-*/gallery.html"), key=_order)
    networks = [(path.parent.name, path.parent) for path in sorted(run.glob(f"networks/*/{PACKED}"))]
    groups: dict[str, Sequence[tuple[str, Path]]] = {
        "Tables": [(title, run / "tables" / f"{name}.html") for name, title in _TABLES.items()],
        "Pseudo labels": [(" ".join(path.parts[-4:-1]), path) for path in galleries],
        "Networks": [("best", run / "best"), *networks],
        "Settings": [("settings and versions", run / "settings.html"), ("settings.yaml", run / "settings.yaml")],
        "Folders": [(name, run / name) for name in ("figures", "evaluate", "logs")],
    }
    for title, files in groups.items():
        present = [{"text": text, "href": _link(run, path)} for text, path in files if path.exists()]
        if present:
            yield {"title": title, "links": present}


def _order(gallery: Path) -> tuple[str, str, int]:
    number = gallery.parent.name.removeprefix("round-")
    return gallery.parts[-4], gallery.parts[-3], int(number) if number.isdecimal() else 0


def _link(run: Path, path: Path) -> str:
    return quote(path.relative_to(run).as_posix())
