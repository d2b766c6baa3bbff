"""A file of encoded sequences, as the workflow extracts them, for benchmarks that draw their own."""

from pathlib import Path

import numpy as np

from chrom2expr.files.hdf5 import create_file
from chrom2expr.genome.sequence_store import FORMAT


def write(path: Path, encoded: np.ndarray) -> None:
    """Write encoded sequences (gene, base) uint8 as those of gene0, gene1, …, all on the forward strand."""
    with create_file(path, FORMAT) as file:
        file.create("encoded", encoded.shape, np.uint8)
        file.put("encoded", 0, encoded)
        file.write("gene_id", np.array([f"gene{row}" for row in range(len(encoded))]))
        file.write("strand", np.full(len(encoded), "+"))
