"""Models of expression given features: the interface, chrom2expr's own, and the loops that train them."""
