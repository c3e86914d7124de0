"""The table of all networks of a small space: made by training each, read to score searches without training."""
