# The parts of Snakemake that its documentation does not promise. Without one, a sentence says what is missing.


def sources_of_settings():
    """The files and the --config options that the settings come from; None where Snakemake does not tell them."""
    found = getattr(workflow, "config_settings", None)
    files = getattr(found, "configfiles", None)
    if files is None:
        print(
            "This version of Snakemake does not tell the configuration files: messages do without their lines.",
            file=sys.stderr,
        )
        return None
    return files, getattr(found, "config_args", None) or []
