"""Fingerprint of the code that a stage runs: its module and every module of the package that it imports.

Snakemake reruns a rule if its parameters change, but it does not look into imported packages. Each rule therefore has
the fingerprint of its stage as a parameter. It covers syntax trees without docstrings and without imports for type
checkers, so a changed comment, docstring, annotation import or format reruns nothing. The parts of a web page that a
module writes lie beside it under its stem and count as part of the module.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PARTS = (".css", ".html", ".js")
# Values of the settings are parameters of their own, and the wording of a progress line or message changes no artefact.
WITHOUT_EFFECT = frozenset({"lbt.config", "lbt.errors", "lbt.runtime.progress", "lbt.provenance.fingerprint"})


@cache
def fingerprint(*modules: str, root: Path = ROOT) -> str:
    """First 16 hexadecimal digits of the SHA-256 over the syntax trees of `modules` and all they import.

    Args:
        modules: dotted names of modules of one package.
        root: the folder that holds the package.

    Raises:
        ModuleNotFoundError: one of `modules` does not exist.
    """
    hashed = hashlib.sha256()
    for name, file in sorted(find_imports(*modules, root=root).items()):
        hashed.update(f"{name}\0{_read(name, file).digest}\0".encode())
        for part in _parts(file):
            hashed.update(f"{part.name}\0{hashlib.sha256(part.read_bytes()).hexdigest()}\0".encode())
    return hashed.hexdigest()[:16]


def find_imports(*modules: str, root: Path = ROOT) -> dict[str, Path]:
    """The file of each of the modules and of all modules of their package that they import, also inside functions.

    Raises:
        ModuleNotFoundError: one of `modules` does not exist.
    """
    package = modules[0].split(".")[0]
    pending, files = list(modules), {}
    while pending:
        name = pending.pop()
        if name in files or _without_effect(name) or name.split(".")[0] != package:
            continue
        file = _source(name, root)
        if file is None:
            if name in modules:
                raise ModuleNotFoundError(f"{name}: no such module below {root}")
            continue  # `from lbt.x import y` is tried as the module lbt.x.y; here y is not a module
        files[name] = file
        pending.extend(_read(name, file).imports)
        if "." in name:
            pending.append(name.rpartition(".")[0])
    return files


def _parts(file: Path) -> list[Path]:
    """Files of a web page beside a module with its stem, but no editor's copy of the module."""
    return [part for suffix in PARTS if (part := file.with_suffix(suffix)).is_file()]


class _Module(NamedTuple):
    imports: tuple[str, ...]
    digest: str


def _read(name: str, file: Path) -> _Module:
    return _parsed(file.read_bytes(), name, file.name == "__init__.py")


@cache
def _parsed(source: bytes, name: str, is_package: bool) -> _Module:
    """Each source is parsed once, although most modules are part of many stages."""
    tree = _executed(ast.parse(source))
    imports = tuple(dict.fromkeys(_imports(tree, name, is_package)))
    return _Module(imports, hashlib.sha256("".join(_dump(tree)).encode()).hexdigest())


def _dump(node: object) -> Iterator[str]:
    """A syntax tree as text.

    `ast.dump` also writes empty fields, so its text differs between versions of Python that have more of them.
    """
    if isinstance(node, ast.Constant):
        yield f"{node.value!r};"
    elif isinstance(node, ast.AST):
        yield f"{type(node).__name__}("
        for name, value in ast.iter_fields(node):
            if value is not None and value != []:
                yield f"{name}="
                yield from _dump(value)
        yield ")"
    elif isinstance(node, list):
        yield "["
        for part in node:
            yield from _dump(part)
        yield "]"
    else:
        yield f"{node!r};"


def _without_effect(name: str) -> bool:
    return name in WITHOUT_EFFECT or name.rpartition(".")[0] in WITHOUT_EFFECT


def _source(name: str, root: Path) -> Path | None:
    path = root.joinpath(*name.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


def _imports(tree: ast.Module, name: str, is_package: bool) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = name.split(".")[: (1 if is_package else 0) - node.level or None]
                base = ".".join([*parts, base] if base else parts)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _executed(tree: ast.Module) -> ast.Module:
    """The tree without docstrings and without blocks for type checkers."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:]
            node.body = [part for part in node.body if not _for_type_checkers(part)]
    return tree


def _for_type_checkers(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
