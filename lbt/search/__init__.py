"""Warm-ups, rounds of the architecture search, and the methods that differ in the architecture's gradient."""
