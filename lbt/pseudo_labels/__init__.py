"""Pseudo-label shards as they lie on disk: found, read, checked and summarised, outside of the search."""
