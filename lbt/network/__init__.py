"""The discrete side of the search space: genotypes, their derivation, the networks they stand for."""
