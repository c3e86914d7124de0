"""Latency: a measured lookup table, the expected latency of an architecture, the profile of a network."""
