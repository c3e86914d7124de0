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
from importlib.util import resolve_name
from pathlib import Path

from lbt.files import sha256

ROOT = Path(__file__).resolve().parents[2]
PARTS = (".css", ".html", ".js")
WITHOUT_EFFECT = frozenset(
    f"lbt.{name}"
    for name in (
        "config",  # values of the settings are parameters of their own
        "data.decoded_cache",  # where decoded images are kept
        "data.loader_processes",  # their memory and their end
        "errors",  # wording of messages
        "provenance.fingerprint",
        "runtime.progress",  # wording of progress lines
        "runtime.signals",  # when a stage saves and ends
        "search.checkpoint_retention",  # which old weights are removed
    )
)


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
        hashed.update(f"{name}\0{_parse(file.read_bytes(), name, file.name)[0]}\0".encode())
        for part in filter(Path.is_file, map(file.with_suffix, PARTS)):  # no editor's copy of the module
            hashed.update(f"{part.name}\0{sha256(part)}\0".encode())
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
        parent = name.rpartition(".")[0]
        if name in files or name.split(".")[0] != package or WITHOUT_EFFECT & {name, parent}:
            continue
        path = root.joinpath(*name.split("."))
        file = next(filter(Path.is_file, (path.with_suffix(".py"), path / "__init__.py")), None)
        if file is not None:
            files[name] = file
            pending += [parent or name, *_parse(file.read_bytes(), name, file.name)[1]]
        elif name in modules:
            raise ModuleNotFoundError(f"{name}: no such module below {root}")
        # else `from lbt.x import y` was tried as the module lbt.x.y, but y is not a module
    return files


@cache
def _parse(source: bytes, name: str, file: str) -> tuple[str, frozenset[str]]:
    """The digest of a module's code and the names that it imports.

    Each source is parsed once, although most modules are part of many stages.
    """
    tree = _executed(ast.parse(source))
    package = name if file == "__init__.py" else name.rpartition(".")[0]
    return hashlib.sha256(_dump(tree).encode()).hexdigest(), frozenset(_imports(tree, package))


def _dump(node: object) -> str:
    """A syntax tree as text.

    `ast.dump` also writes empty fields, so its text differs between versions of Python that have more of them.
    """
    if isinstance(node, list):
        return f"[{','.join(map(_dump, node))}]"
    if isinstance(node, ast.Constant) or not isinstance(node, ast.AST):
        return repr(getattr(node, "value", node))
    fields = (f"{name}={_dump(value)}" for name, value in ast.iter_fields(node) if value is not None and value != [])
    return f"{type(node).__name__}({','.join(fields)})"


def _imports(tree: ast.Module, package: str) -> Iterator[str]:
    """The names that the module of a package imports; some are not those of modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package)
            yield from (base, *(f"{base}.{alias.name}" for alias in node.names))


def _executed(tree: ast.Module) -> ast.Module:
    """The tree without docstrings and without blocks for type checkers."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[ast.get_docstring(node, clean=False) is not None :]
            node.body = [p for p in body if not (isinstance(p, ast.If) and ast.unparse(p.test) == "TYPE_CHECKING")]
    return tree
