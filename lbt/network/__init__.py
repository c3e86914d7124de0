"""The discrete side of the search space: genotypes, the derivation rule, and derived networks."""
