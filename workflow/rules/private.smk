# The parts of Snakemake that its documentation does not promise. Without one, a sentence says what is missing.


def name_of_settings():
    """The files that the settings come from, for messages."""
    files = getattr(workflow, "configfiles", None)
    if files is None:
        print(
            "This version of Snakemake does not tell the name of the configuration file: messages do without it.",
            file=sys.stderr,
        )
    return ", ".join(map(str, files or ["the configuration"]))
