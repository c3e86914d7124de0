"""Snakemake is used as it is documented, but for one file."""

import re
import sys
from types import SimpleNamespace

from clone import ROOT

RULES = ROOT / "workflow" / "rules"
DOCUMENTED = {"basedir", "cores"}


def accesses(text: str) -> list[str]:
    """Attributes of Snakemake's workflow that a file uses."""
    return re.findall(r'\bworkflow\.(?!rst)(\w+)|\(workflow, "(\w+)"', text)


def test_one_file_uses_what_is_not_documented():
    for path in [ROOT / "workflow" / "Snakefile", *RULES.glob("*.smk")]:
        used = {name for pair in accesses(path.read_text()) for name in pair if name}
        if path.name == "private.smk":
            assert used and len(used) <= 3
        else:
            assert used <= DOCUMENTED, path


def test_a_version_without_it_does_without_it(capsys):
    found = SimpleNamespace(configfiles=["a.yaml", "b.yaml"], config_args=["run=x"])
    names = {"workflow": SimpleNamespace(config_settings=found), "sys": sys}
    exec((RULES / "private.smk").read_text(), names)
    assert names["sources_of_settings"]() == (["a.yaml", "b.yaml"], ["run=x"]) and not capsys.readouterr().err
    found.config_args = None
    assert names["sources_of_settings"]() == (["a.yaml", "b.yaml"], [])
    names["workflow"] = SimpleNamespace()
    assert names["sources_of_settings"]() is None
    assert "does not tell the configuration files" in capsys.readouterr().err
