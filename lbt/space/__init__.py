"""The FasterSeg search space: supernet, discrete genotypes and the networks they stand for."""
