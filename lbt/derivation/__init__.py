"""From a searched architecture to a discrete network."""
