"""Tables of a run, one module per table: CSV for programs, HTML and Markdown for people."""
