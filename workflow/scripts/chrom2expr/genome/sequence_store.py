"""Sequence shards, read: encoded sequences of some genes, cropped to the window of a network (see `sequences`)."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from chrom2expr.errors import InputError
from chrom2expr.files.hdf5 import CheckedFile
from chrom2expr.files.whole import Format, allow_open_files
from chrom2expr.genome.features import Features

FORMAT = Format("chrom2expr sequence", 2)


class SequenceStore:
    """One or several sequence shards, open for reading. Close it, or use it in a `with` block.

    gene_id, strand: (gene,), the shards' genes one after another; provenance: what all shards say of their genome.
    Sequences are cropped to the `length` bp in their middle, so that the TSS stays where windows.Geometry.centred puts
    it. Raises InputError on a shard that is damaged, too short, or of another genome than the first, and on a gene that
    is there twice.
    """

    def __init__(self, paths: Sequence[str | Path], length: int) -> None:
        self.length = length
        allow_open_files(len(paths), "deal the genes out to fewer shards (backbones: NAME: shards)")
        with ExitStack() as stack:
            self.shards = [stack.enter_context(CheckedFile(path, FORMAT)) for path in paths]
            self.provenance = self.shards[0].attributes
            for shard in self.shards:
                _check_length(shard, length)
                if shard.attributes != self.provenance:
                    first = self.shards[0].path
                    raise InputError(f"{shard.path}: not of the same genome as {first}; delete both and run again")
            self.gene_id, self.strand = (
                np.concatenate([shard.read(name) for shard in self.shards]) for name in ("gene_id", "strand")
            )
            names, counts = np.unique(self.gene_id, return_counts=True)
            if (counts > 1).any():
                files = ", ".join(str(shard.path) for shard in self.shards)
                twice = names[counts > 1][0]
                raise InputError(f"{files}: gene {twice} is twice in them; delete them and run again")
            self._stack = stack.pop_all()

    def __enter__(self) -> "SequenceStore":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def select(self, gene_ids: Sequence[str]) -> "Sequences":
        """The sequences of some genes, in the order given; nothing is read yet. InputError on an unknown gene."""
        rows = {gene: row for row, gene in enumerate(self.gene_id.tolist())}
        if unknown := [gene for gene in gene_ids if gene not in rows]:
            raise InputError(
                f"{self.shards[0].path.parent}: gene {unknown[0]} has no sequence there ({len(unknown)} of "
                f"{len(gene_ids)} have none); the shards were made from another gene table, delete them and run again"
            )
        return Sequences(self, np.array([rows[gene] for gene in gene_ids], dtype=np.intp))


class Sequences(Features):
    """Encoded sequences of some genes of a store, read by rows: A C G T N = 0 … 4, forward strand, whatever the gene's.

    gene_id, strand: (gene,); the strand is that in the assembly of the sequences.
    """

    dtype = np.uint8

    def __init__(self, store: SequenceStore, genes: np.ndarray) -> None:
        self.shape = (len(genes), store.length)
        self.gene_id, self.strand = store.gene_id[genes], store.strand[genes]
        self._store, self._genes = store, genes
        self._ends = np.cumsum([shard.shapes["encoded"][0] for shard in store.shards])

    def fill(self, rows: np.ndarray, out: np.ndarray) -> None:
        """Write encoded sequences (row, base); an InputError names shard and gene."""
        genes = self._genes[rows]
        # In the order of the files.
        for row in np.argsort(genes, kind="stable"):
            file, place = self._place(int(genes[row]))
            start = (file.shapes["encoded"][1] - self.shape[1]) // 2
            file.read_row("encoded", place, out[row], start, f"gene {self._store.gene_id[genes[row]]}")

    def where(self, row: int, base: int) -> str:
        """File, gene and base of one code, a base's index being that in the window."""
        file, _ = self._place(int(self._genes[row]))
        return f"{file.path}: gene {self.gene_id[row]}, base {base} of its window"

    def _place(self, gene: int) -> tuple[CheckedFile, int]:
        """The shard that holds a gene of the store, and its row there."""
        shard = int(np.searchsorted(self._ends, gene, side="right"))
        file = self._store.shards[shard]
        return file, int(gene - (self._ends[shard] - file.shapes["encoded"][0]))


def _check_length(shard: CheckedFile, length: int) -> None:
    """Raise InputError if a shard has no `length` bp in the middle of its sequences."""
    stored = shard.shapes["encoded"][1]
    if stored < length or (stored - length) % 2:
        raise InputError(
            f"{shard.path}: sequences of {stored:,} bp, but the geometry needs {length:,} bp, as much cut off on one "
            "side as on the other; delete it and run again, or change geometry: sequence_length"
        )
