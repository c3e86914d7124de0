"""The continuous side of the FasterSeg search space: architecture, supernet and its parts."""
