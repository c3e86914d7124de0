"""The packages of the extras of `pyproject.toml`, and what to do if a command needs one that is not installed."""

from __future__ import annotations

from lbt.errors import LbtError

EXTRAS = {
    "export": frozenset({"onnx", "onnxruntime", "onnxscript"}),
    "workflow": frozenset(
        {"h5py", "jinja2", "markupsafe", "matplotlib", "pandas", "pygments", "rich", "rocrate", "snakemake", "yaml"}
    ),
}
"""Extra -> the modules that its packages provide. Without any extra, finished networks can be used."""


def explain_missing(error: ModuleNotFoundError) -> LbtError | None:
    """The message for a package that only an extra installs; None if another module is missing."""
    package = (error.name or "").partition(".")[0]
    for extra, packages in EXTRAS.items():
        if package in packages:
            return LbtError(
                f"needs the package {package}, which is not installed. In the clone of lbt, run "
                f"`pip install -c constraints.txt -e '.[{extra}]'`."
            )
    return None
