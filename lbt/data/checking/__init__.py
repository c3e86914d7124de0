"""Checks of a data set before a long stage starts."""
