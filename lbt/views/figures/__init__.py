"""Figures of a run, one module per kind, as SVG and PNG in one style."""
