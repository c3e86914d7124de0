"""A fingerprint follows what a module imports, and nothing else."""

import ast
import inspect

import pytest

import lbt.config
from lbt.config import Section
from lbt.config.baselines import BASELINES
from lbt.config.methods import METHODS
from lbt.inference.network_file import BUNDLED
from lbt.provenance.fingerprint import PARTS, ROOT, _dump, find_imports, fingerprint
from lbt.stages.table import STAGES

FILES = {
    "pkg/__init__.py": "",
    "pkg/main.py": "from pkg.part import work\nfrom . import other\n\n\ndef run():\n    return work()\n",
    "pkg/part.py": '"""Part."""\nimport os\n\n\ndef work():\n    """Work."""\n    return 1  # one\n',
    "pkg/other.py": "def lazy():\n    from .deep.inner import x\n    return x\n",
    "pkg/deep/__init__.py": "",
    "pkg/deep/inner.py": "x = 1\n",
    "pkg/unrelated.py": "y = 1\n",
    "pkg/part.css": "p { color: red; }\n",
    "pkg/unrelated.css": "",
}


@pytest.fixture
def package(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def of_main(root):
    fingerprint.cache_clear()
    return fingerprint("pkg.main", root=root)


@pytest.mark.parametrize(
    ("file", "text", "changes"),
    [
        ("pkg/part.py", '"""Other words."""\nimport os\n\n\ndef work():\n    return 1\n', False),
        ("pkg/part.py", "import os\n\ndef work(): return (1)  # now\n", False),
        ("pkg/part.py", FILES["pkg/part.py"].replace("return 1", "return 2"), True),
        ("pkg/part.py", f"from typing import TYPE_CHECKING\n{FILES['pkg/part.py']}", True),
        ("pkg/deep/inner.py", "x = 2\n", True),
        ("pkg/deep/__init__.py", "z = 0\n", True),
        ("pkg/unrelated.py", "y = 2\n", False),
        ("pkg/part.html", "<b>", True),
        ("pkg/unrelated.html", "<b>", False),
        ("pkg/part.css", "p { color: blue; }\n", True),
        ("pkg/unrelated.css", "p {}\n", False),
        ("pkg/part.py~", "x = 3\n", False),
        ("pkg/part.orig", "x = 3\n", False),
        ("pkg/part.py", FILES["pkg/part.py"].replace("return 1", "return 1.0"), True),
        ("pkg/part.py", FILES["pkg/part.py"].replace("return 1", "return None"), True),
        ("pkg/part.py", FILES["pkg/part.py"].replace("return 1", "return"), True),
        ("pkg/part.py", FILES["pkg/part.py"].replace("return 1", "return -1"), True),
        ("pkg/part.py", FILES["pkg/part.py"].replace("def work()", "def work(*, a=0)"), True),
    ],
)
def test_only_code_that_runs_changes_it(package, file, text, changes):
    before = of_main(package)
    (package / file).write_text(text)
    assert (of_main(package) != before) == changes


@pytest.mark.parametrize(("test", "counts"), [("TYPE_CHECKING", False), ("TYPE_CHECKING or work", True)])
def test_imports_for_type_checkers_do_not_count(package, test, counts):
    source = f"from typing import TYPE_CHECKING\n{FILES['pkg/part.py']}"
    (package / "pkg/part.py").write_text(source)
    before = of_main(package)
    (package / "pkg/part.py").write_text(
        source.replace("import os", f"if {test}:\n    import pkg.unrelated\nimport os")
    )
    assert ("pkg.unrelated" in find_imports("pkg.main", root=package)) == counts
    assert (of_main(package) != before) == counts


def test_it_is_the_same_for_any_python():
    """Python 3.12 gave functions a list of type parameters; an empty one changes nothing."""
    source = ast.parse(FILES["pkg/part.py"])
    before = "".join(_dump(source))
    for node in ast.walk(source):
        if isinstance(node, ast.FunctionDef):
            node._fields = (*ast.FunctionDef._fields, "later")
            node.later = []
    assert "".join(_dump(source)) == before


def test_an_unknown_module_is_an_error(package):
    with pytest.raises(ModuleNotFoundError, match=r"pkg\.absent"):
        fingerprint("pkg.absent", root=package)


def test_every_stage_has_one():
    found = {stage.module: fingerprint(stage.module) for stage in STAGES.values()}
    assert len(set(found.values())) == len(found)


def code_of_stages():
    """Every module that a stage runs, and its syntax tree."""
    named = [f"lbt.search.methods.{name}" for name in METHODS] + [f"lbt.baselines.{name}" for name in BASELINES]
    files = find_imports(*{stage.module for stage in STAGES.values()}, *named)
    return {name: ast.walk(ast.parse(path.read_bytes())) for name, path in files.items()}


def test_no_code_or_data_of_a_stage_escapes_it():
    """Imports by name, files that are no modules, and code of the settings are not in a fingerprint."""
    by_name = {
        name
        for name, nodes in code_of_stages().items()
        if any(isinstance(node, ast.Name) and node.id in ("import_module", "__import__", "exec") for node in nodes)
    }
    # fingerprints are given their method or baseline; lbt and lbt.tabular import what their user asks for
    assert by_name == {"lbt", "lbt.baselines", "lbt.search.methods", "lbt.tabular"}
    # the network of the package is read by `load_network`, which no stage calls
    assert not any(getattr(node, "id", "") == "load_network" for nodes in code_of_stages().values() for node in nodes)
    data = [path for path in (ROOT / "lbt").rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc", ".md")]
    data.remove(BUNDLED)
    assert all(path.with_suffix(".py").is_file() and path.suffix in PARTS for path in data), data  # a module's own

    sections = [value for value in vars(lbt.config).values() if inspect.isclass(value) and issubclass(value, Section)]
    computed = {
        name
        for section in sections
        for name, value in vars(section).items()
        if isinstance(value, property) or (inspect.isfunction(value) and not name.startswith("_"))
    }
    computed.remove("tracked")  # its values are those that Snakemake compares
    for name, nodes in code_of_stages().items():
        used = {node.attr for node in nodes if isinstance(node, ast.Attribute)} & computed
        assert not used, f"{name}: {used} is computed by lbt.config, whose code is in no fingerprint"
