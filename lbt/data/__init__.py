"""Data sets: classes, layouts, drawn street scenes, splits, checks and batches."""
