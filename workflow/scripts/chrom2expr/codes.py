"""Sequence shards, read: the codes of some genes, cropped to the window that a network sees (see `sequences`)."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np

from chrom2expr.batching import batches
from chrom2expr.errors import InputError

_ADVICE = "delete it and run again"


class SequenceStore:
    """One or several sequence shards, open for reading. Close it, or use it in a `with` block.

    gene_id, strand: (gene,), the shards' genes one after another; provenance: what all shards say of their genome.
    Sequences are cropped to the `length` bp in their middle, so that the TSS stays where windows.Geometry.centred puts
    it. Raises InputError on a shard that is damaged, too short, or of another genome than the first, and on a gene that
    stands twice.
    """

    def __init__(self, paths: Sequence[str | Path], length: int) -> None:
        self.length = length
        with ExitStack() as stack:
            self.shards = [(Path(path), stack.enter_context(_open(Path(path), length))) for path in paths]
            self.provenance = dict(self.shards[0][1].attrs)
            for path, file in self.shards:
                if dict(file.attrs) != self.provenance:
                    first = self.shards[0][0]
                    raise InputError(f"{path}: not of the same genome as {first}; delete both and run again")
            self.gene_id, self.strand = (
                np.concatenate([np.array(file[name].asstr()[:], dtype=str) for _, file in self.shards])
                for name in ("gene_id", "strand")
            )
            names, counts = np.unique(self.gene_id, return_counts=True)
            if (counts > 1).any():
                files = ", ".join(str(path) for path, _ in self.shards)
                twice = names[counts > 1][0]
                raise InputError(f"{files}: gene {twice} stands twice in them; delete them and run again")
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
                f"{self.shards[0][0].parent}: gene {unknown[0]} has no sequence there ({len(unknown)} of "
                f"{len(gene_ids)} have none); the shards were made from another gene table, delete them and run again"
            )
        return Sequences(self, np.array([rows[gene] for gene in gene_ids], dtype=np.intp))


class Sequences:
    """Codes of some genes of a store, read by rows. `bytes_read` counts the bytes handed out.

    gene_id, strand: (gene,); the strand is that in the assembly of the sequences.
    """

    def __init__(self, store: SequenceStore, genes: np.ndarray) -> None:
        self.shape = (len(genes), store.length)
        self.bytes_read = 0
        self.gene_id, self.strand = store.gene_id[genes], store.strand[genes]
        self._store, self._genes = store, genes
        self._ends = np.cumsum([len(file["codes"]) for _, file in store.shards])

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Codes (len(rows), length) uint8 of the selected genes with these indices, in any order: A C G T N = 0 … 4.

        Forward strand, whatever the gene's. Raises InputError, naming shard and gene, if the file is damaged there.
        """
        genes = self._genes[np.asarray(rows, dtype=np.intp)]
        codes = np.empty((len(genes), self.shape[1]), dtype=np.uint8)
        # In the order of the files.
        for row in np.argsort(genes, kind="stable"):
            shard = int(np.searchsorted(self._ends, genes[row], side="right"))
            path, file = self._store.shards[shard]
            stored = file["codes"]
            within = genes[row] - (self._ends[shard] - len(stored))
            start = (stored.shape[1] - self.shape[1]) // 2
            try:
                stored.read_direct(codes[row], np.s_[within, start : start + self.shape[1]])
            except OSError as error:
                name = self._store.gene_id[genes[row]]
                raise InputError(f"{path}: damaged at gene {name} ({error}); {_ADVICE}") from error
        self.bytes_read += codes.nbytes
        return codes

    def batches(self, order: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Go through `order` (indices of selected genes): (rows, codes), read ahead by a thread (see batching)."""
        return batches(self.read, order, batch_size)


def _open(path: Path, length: int) -> h5py.File:
    """A sequence shard, open for reading; InputError if it is damaged or has no `length` bp in its middle."""
    try:
        # Every sequence is read once, so a cache would only copy it.
        file = h5py.File(path, rdcc_nbytes=0)
    except OSError as error:
        raise InputError(f"{path}: not a readable sequence shard ({error}); {_ADVICE}") from None
    absent = [name for name in ("codes", "gene_id", "strand") if name not in file]
    if absent:
        file.close()
        raise InputError(f"{path}: a sequence shard without {', '.join(absent)}; {_ADVICE}")
    stored = file["codes"].shape[1]
    if stored < length or (stored - length) % 2:
        file.close()
        raise InputError(
            f"{path}: sequences of {stored:,} bp, but the geometry needs {length:,} bp, as much cut off on one side "
            f"as on the other; {_ADVICE}, or change geometry: sequence_length"
        )
    return file
