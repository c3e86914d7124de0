"""Tables of a run: a module for each, and each as CSV for programs, HTML and Markdown for people."""
