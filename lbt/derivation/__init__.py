"""From a searched architecture to a discrete network: derive, score candidates, or draw at random."""
