"""Figures of a run, a module for each kind, as SVG and PNG in one style."""
