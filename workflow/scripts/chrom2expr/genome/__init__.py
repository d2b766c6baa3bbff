"""Genes and their sequences: TSS positions, splits, windows and bins, encoded sequences, expression targets."""
