"""Scores on the official validation images, which no earlier stage reads."""
