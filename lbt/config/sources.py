"""Files of settings and `--config` options, merged into one document that knows where each value stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lbt.config.paths import from_here
from lbt.config.yaml_file import LARGEST, Document, Keys, read_yaml
from lbt.errors import LbtError
from lbt.files import open_regular


@dataclass
class Sources:
    """Settings of several sources, later ones over earlier ones.

    Attributes:
        document: the merged settings.
        folders: the folder of each source that is a file.
        names: the sources, in their order.
    """

    document: Document = field(default_factory=Document)
    folders: dict[str, Path] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)

    def add(self, new: Document, name: str, folder: Path | None = None) -> None:
        """Put a source over the earlier ones: sections are merged and other values replaced, as Snakemake does it."""
        old = self.document
        _merge(old.content, new.content)
        replaced = {keys for keys in new.places if not isinstance(look_up(new.content, keys), dict)}
        for keys in [keys for keys in old.places if any(keys[:end] in replaced for end in range(1, len(keys)))]:
            del old.places[keys]
        old.places |= new.places
        old.problems += new.problems
        self.names.append(name)
        if folder is not None:
            self.folders[name] = folder


def read_sources(files: Sequence[Path | str], options: Sequence[str] = ()) -> Sources:
    """Read files of settings and then `--config` options of the form KEY=VALUE, whose value is YAML.

    Raises:
        LbtError: a file cannot be read, or a text is not YAML.
    """
    found = Sources()
    for file in files:
        name = from_here(file)
        found.add(read_yaml(_read_text(name), name), name, Path(file).parent)
    for option in options:
        key, _, value = option.partition("=")
        name = f"--config {key}"
        found.add(read_yaml(f"{key}: {value}" if value else f"{key}:", name, lines=False), name)
    return found


def refuse_repeated(words: Sequence[str]) -> None:
    """Refuse a command line that gives an option of settings twice: Snakemake would keep the last one in silence.

    Args:
        words: the command line.

    Raises:
        LbtError: it does, with what to write.
    """
    for names, together in (
        (("--configfile", "--configfiles"), "--configfile a.yaml b.yaml"),
        (("--config", "-C"), "--config run=a 'seeds=[0, 1]'"),
    ):
        if (times := sum(word.partition("=")[0] in names for word in words)) > 1:
            raise LbtError(
                f"{names[0]}: is given {times} times, and Snakemake reads the last one only. Write it once, as in "
                f"`{together}`."
            )


def look_up(content: Any, keys: Keys) -> Any:
    """The value at a path of keys; None if there is none."""
    for key in keys:
        if isinstance(content, list) and isinstance(key, int):
            content = dict(enumerate(content))
        if not isinstance(content, Mapping) or key not in content:
            return None
        content = content[key]
    return content


def _read_text(path: str) -> str:
    try:
        with open(path, "rb", opener=open_regular) as file:
            content = file.read(4 * LARGEST + 1)
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte, line = content[error.start], content.count(b"\n", 0, error.start) + 1
        raise LbtError(
            f"{path}, line {line}: is not UTF-8 text (byte 0x{byte:02x}). Save the file as UTF-8 in your editor."
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        run = ", or the folder of a run that has this file" if Path(path).name == "settings.yaml" else ""
        raise LbtError(
            f"{path}: could not be read ({reason}). Name a YAML file, such as config/config.yaml{run}."
        ) from error


def _merge(old: dict[str, Any], new: Mapping[str, Any]) -> None:
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(key), dict):
            _merge(old[key], value)
        else:
            old[key] = value
