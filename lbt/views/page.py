"""The frame of all pages: one style, templates beside the modules that fill them, and every text escaped.

A page opens offline: it holds its style, scripts and pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

FOLDER = Path(__file__).parent


def render(template: str, **values: Any) -> str:
    """The page of a template, such as `settings.html` or `tables/formats.html`, filled with values."""
    return _environment().get_template(template).render(values)


def render_in_parts(template: str, **values: Any) -> Iterator[str]:
    """The same in parts, so that neither the page nor an iterator among the values needs to fit into memory."""
    return _environment().get_template(template).generate(values)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals["part"] = _read_part
    made.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return made


def _read_part(name: str) -> Markup:
    """A style sheet or script of this folder, as it is."""
    return Markup((FOLDER / name).read_text(encoding="utf-8"))
