"""Checks of a data set before any hour is spent."""
