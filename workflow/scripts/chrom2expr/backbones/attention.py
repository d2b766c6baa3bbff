"""How much the TSS of a gene attends to the bins around it: rows of attention, computed and read.

Rows of attention are (gene, bin) float32, in gene orientation, upstream first on both strands. The number of bins is
odd and the TSS lies in the middle one, so that turning a gene round leaves it there.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from chrom2expr.errors import InputError
from chrom2expr.files.hdf5 import CheckedFile, create_file
from chrom2expr.files.whole import Format
from chrom2expr.genome.windows import Geometry, turned
from chrom2expr.job import Progress

FORMAT = Format("chrom2expr attention", 1)


class Sequences(Protocol):
    """Encoded sequences of genes (see sequence_store.Sequences)."""

    gene_id: np.ndarray
    strand: np.ndarray  # in the assembly of the sequences

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Encoded (len(rows), base) uint8, on the forward strand."""


class Attention(NamedTuple):
    """Rows of attention (gene, bin) float32, whose genes they are, and the bin that attends."""

    attention: np.ndarray
    gene_id: np.ndarray
    query_bin: int


def tss_bin(geometry: Geometry) -> int:
    """The index of the TSS's bin among all of a sequence's. Raises InputError where it is not the middle one."""
    bins, remainder = divmod(geometry.sequence_length, geometry.bin_size)
    if remainder or bins % 2 == 0:
        raise InputError(
            f"geometry: {geometry.sequence_length:,} bp are {geometry.sequence_length / geometry.bin_size:g} bins of "
            f"{geometry.bin_size} bp; attention of the TSS needs an odd number of whole bins, so that the TSS lies in "
            "the middle one on both strands (sources: NAME: geometry: sequence_length)"
        )
    return bins // 2


def attend_genes(
    attend: Callable[[np.ndarray], np.ndarray],
    sequences: Sequences,
    geometry: Geometry,
    output: str | Path,
) -> None:
    """Write the rows of attention of `sequences`, one gene at a time: `attention`, `gene_id`, `query_bin`, `bin_size`.

    `attend` gives the rows (batch, bin) of encoded sequences (batch, base), bins in genomic order. Raises InputError if
    a row is not made of numbers, naming the gene; nothing is written.
    """
    query, turn = tss_bin(geometry), turned(sequences.strand, "gene")
    genes = len(sequences.gene_id)
    progress = Progress(genes, "genes")
    attributes = {"query_bin": query, "bin_size": geometry.bin_size, "orientation": "gene"}
    with create_file(output, FORMAT, attributes) as file:
        file.create("attention", (genes, 2 * query + 1), np.float32)
        file.write("gene_id", sequences.gene_id)
        for gene, name in enumerate(sequences.gene_id):
            (row,) = attend(sequences.read(np.array([gene])))
            if not np.isfinite(row).all():
                raise InputError(f"the attention of gene {name} is not a number; look at the model's weights.")
            file.put("attention", gene, (row[::-1] if turn[gene] else row)[None])
            progress.advance(1)


def read_attention(path: str | Path) -> Attention:
    """Read what `attend_genes` wrote. Raises InputError if the file is damaged."""
    with CheckedFile(path, FORMAT) as file:
        return Attention(file.read("attention"), file.read("gene_id"), int(file.attributes["query_bin"]))
