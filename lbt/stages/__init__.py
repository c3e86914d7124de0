"""The package's side of `workflow/`: the table of stages and how one is run."""
