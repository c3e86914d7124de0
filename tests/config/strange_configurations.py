"""Spoiled configurations, and what `lbt check` does with them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import yaml
from mutations import TEXTS, damage, mutate
from watched_cases import call, require_plain, require_refusal

import lbt.commands.check
import lbt.data.checking.check
import lbt.provenance.outdated
import lbt.stages.disk_space
import lbt.stages.up_to_date  # noqa: F401 - before the forks
from lbt.config.read import read_settings

torch.set_num_threads(1)
LAUGHS = "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
"""Lists of lists by reference: few bytes, 9^8 values."""


def write_yaml(value: Any) -> str:
    """YAML of any value; what the writer cannot write becomes a list without end."""
    try:
        return yaml.dump(value, allow_unicode=True, sort_keys=False)
    except (RecursionError, yaml.YAMLError, UnicodeEncodeError):
        return "run: " + "[" * 3000


def spoil_text(text: str, draw: random.Random) -> tuple[bytes, str]:
    """Change the text of a file."""
    lines, kind = text.splitlines(), draw.randrange(8)
    place = draw.randrange(len(lines))
    if kind == 0:
        return f"x: {'[' * 5000}\n{text}".encode(), "a list 5000 deep"
    if kind == 1:
        return f"a: &a [x, x]\n{LAUGHS}{text}".encode(), "lists by reference"
    if kind == 2:
        return f"x: &x [*x]\n{text}".encode(), "a list of itself"
    if kind == 3:
        return text.encode("utf-16"), "UTF-16"
    if kind == 4:
        return f"{text}\nrun: é\n".encode("latin-1"), "latin-1"
    if kind == 5:
        lines.insert(place, lines[place])
        return "\n".join(lines).encode(), f"line {place} twice"
    if kind == 6:
        line = lines[place]
        lines[place] = draw.choice((f"\t{line}", line.lstrip(), f"  {line}", "%TAG ! x", "---", "..."))
        return "\n".join(lines).encode(), f"line {place} is {lines[place]!r}"
    before, _, _ = lines[place].partition(": ")
    lines[place] = f"{before}: {draw.choice(TEXTS)}"
    return "\n".join(lines).encode("utf-8", "surrogatepass"), f"line {place} is {ascii(lines[place])[:60]}"


def nudge(value: Any, draw: random.Random) -> str:
    """Change a number of a configuration a little, in place."""
    sections = [value, *(section for section in value.values() if isinstance(section, dict))]
    places = [(s, key) for s in sections for key, item in s.items() if type(item) in (int, float)]
    section, key = draw.choice(places)
    section[key] = draw.choice((section[key] + 1, section[key] * 2, max(1, section[key] - 1), section[key] + 0.5))
    return f"{key} is {section[key]}"


def judge(folder: Path, path: Path) -> str:
    """Check: one message, or settings that are read back as they are."""
    code, out, err = call("check", path)
    if code != 0:
        return require_refusal(code, err)
    require_plain(out + err)
    settings = read_settings(path)
    again = folder / "again.yaml"
    again.write_text(yaml.safe_dump(settings.model_dump(mode="json", exclude_unset=True), allow_unicode=True))
    assert read_settings(again) == settings
    return "accepted"


def case(folder: Path, draw: random.Random) -> Iterator[str]:
    """A configuration of synthetic scenes or of a folder of images, whose bytes, text or values are changed."""
    text = (folder.parent / draw.choice(("scenes.yaml", "folder.yaml"))).read_text()
    path, kind = folder / "spoiled.yaml", draw.randrange(10)
    if kind < 2:
        content, said = damage(text.encode(), draw)
    elif kind < 4:
        content, said = spoil_text(text, draw)
    else:
        value = yaml.safe_load(text)
        if kind < 7:
            said = nudge(value, draw)
        else:
            value, said = mutate(value, draw)
        content = write_yaml(value).encode("utf-8", "surrogatepass")
    path.write_bytes(content)
    yield f"{kind}: {said}"
    yield judge(folder, path)
