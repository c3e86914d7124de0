"""The continuous side of the FasterSeg search space: the architecture A, and the supernet with its parts."""
