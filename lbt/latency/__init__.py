"""Latency: the measured lookup table, predictions from it, the range that a space reaches, a network's profile."""
