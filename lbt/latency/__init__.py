"""Latency: a measured lookup table, what it predicts and what a space can reach by it, the profile of a network."""
