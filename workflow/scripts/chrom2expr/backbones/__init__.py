"""Sequence models: the interface, chrom2expr's own, and inference with them."""
