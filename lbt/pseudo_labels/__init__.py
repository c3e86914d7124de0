"""Pseudo labels: the teacher's predictions in HDF5 shards; how they are written, read by the search, and inspected."""
