"""Data sets: classes, layouts, splits, checks, batches, and synthetic street scenes."""
