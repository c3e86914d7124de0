"""The one exception that is meant for the user of the tool."""


class LbtError(Exception):
    """Something the user can mend: the message names the file or key, what was found and what to do.

    The command line prints it without a traceback and exits with code 1. Every other exception is a defect of the
    project and keeps its traceback.
    """
