"""The commands of `python -m lbt`, a module each.

A command's module has one line of `HELP` without a full stop, `add_arguments(parser)`, which also sets the parser's
`description`, what the command reads and writes, and its `epilog`, with the exit codes where they matter, and
`run(options)`, which raises LbtError for whatever the user can mend. It imports what it needs to run inside `run`, so
that no command waits for another's libraries.
"""
