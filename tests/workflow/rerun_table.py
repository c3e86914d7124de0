"""The table of reruns.yaml: what reruns after which change, with all that follows."""

import re

import yaml
from clone import HERE, ROOT
from predicted import setting_keys

TABLE = yaml.safe_load((HERE / "reruns.yaml").read_text())
SETTINGS = {key: row for row in TABLE["settings"] for key in row["keys"]}
FOLLOWS = TABLE["follows"]


def expected(row, key=None):
    """The rules of a row and all that follow."""
    found, pending = set(), [*row["rerun"], *row.get("also", {}).get(key, ())]
    while pending:
        rule = pending.pop()
        if rule not in found:
            found.add(rule)
            pending += FOLLOWS[rule]
    return found - set(row.get("without", ()))


def read_by_workflow():
    """Keys of the settings that the workflow's rules read beside the parameters of their stages."""
    files = [ROOT / "workflow" / "Snakefile", *(ROOT / "workflow" / "rules").iterdir()]
    names = {
        name.removesuffix("_file") for file in files for name in re.findall(r"SETTINGS\.([a-z_.]+)", file.read_text())
    }
    return names & set(setting_keys()) - {"data.root"}  # the check compares it anyway


WORKFLOW_READS = read_by_workflow()
