"""The commands of `lbt`, one module each.

The module of a command has three names. `HELP` is one line without a full stop. `add_arguments(parser)` adds the
arguments, and sets the parser's `description` (what the command reads and writes) and its `epilog` (the exit codes, if
they matter). `run(options)` does the work, and raises LbtError for every fault that the user can fix. `run` itself
imports what it needs, so that no command waits for the libraries of another one.
"""
