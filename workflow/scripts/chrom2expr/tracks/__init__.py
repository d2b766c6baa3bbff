"""Tracks around each TSS: their tables, bigWigs, the feature store, what is reduced from it."""
