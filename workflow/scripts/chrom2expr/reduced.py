"""Reduced features, a row of numbers a gene: read the file that a reduction of a feature store leaves (see `spatial`).

HDF5 (see `hdf5`): `features` (gene, feature) float32; `gene_id`; `track_id` and `track_type` of its tracks; as
attributes `reduction` ("spatial_basis": ten features a track, in gene orientation, all tracks of the first basis
function, then all of the second, ...; "central_means": one a track), `bins` (how many went into a feature), `tracks`
("chromatin", "cage", "all", or "embedding", whose tracks are its coordinates) and the provenance of the store that it
was made from.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np

from chrom2expr.errors import InputError, reading
from chrom2expr.features import Features
from chrom2expr.files import Format
from chrom2expr.hdf5 import CheckedFile
from chrom2expr.windows import turned

FORMAT = Format("chrom2expr reduced feature", 1)
# Features a track.
REDUCTIONS = {"spatial_basis": 10, "central_means": 1}


def is_reduced(path: str | Path) -> bool:
    """Whether a file holds reduced features; what is wrong with a file that holds neither, its reader will say."""
    if not h5py.is_hdf5(path):
        return False
    with reading(path, f"{FORMAT.name} file"), h5py.File(path, "r", locking=False) as file:
        return file.attrs.get("format") == FORMAT.name


class ReducedStore:
    """A file of reduced features, open for reading; it offers what heads use of reader.FeatureStore.

    gene_id: (gene,); track_id, track_type: (track,); bins: how many went into a feature; tracks: their kind; reduction;
    provenance: strings by name.
    Raises InputError if the file is damaged or incomplete.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with ExitStack() as stack:
            self.file = stack.enter_context(CheckedFile(self.path, FORMAT))
            self.gene_id, self.track_id, self.track_type = (
                self.file.read(name) for name in ("gene_id", "track_id", "track_type")
            )
            attributes = self.file.attributes
            self.bins, self.tracks = int(attributes["bins"]), attributes["tracks"]
            self.reduction = attributes["reduction"]
            self.provenance = {name: value for name, value in attributes.items() if isinstance(value, str)}
            self._stack = stack.pop_all()

    def __enter__(self) -> "ReducedStore":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def kind(self, tracks: str) -> np.ndarray:
        """Indices of the tracks of a kind, (track,): all that there are."""
        self._check("tracks", tracks, self.tracks)
        return np.arange(len(self.track_id))

    def select(
        self, gene_ids: Sequence[str], tracks: str = "chromatin", orientation: str = "gene", bins: int | None = None
    ) -> "ReducedSelection":
        """The reduced features of some genes, in the order given; nothing is read yet.

        Raises InputError on an unknown gene, and when the file was reduced from other tracks or bins, or when bins in
        genomic order are asked of the spatial basis, which knows upstream and downstream only.
        """
        self._check("tracks", tracks, self.tracks)
        self._check("bins", bins or self.bins, self.bins)
        turned(np.array([]), orientation)  # refuses an unknown one, though means are the same in either
        if self.reduction == "spatial_basis":
            self._check("orientation", orientation, "gene")
        rows = {gene: row for row, gene in enumerate(self.gene_id.tolist())}
        if unknown := [gene for gene in gene_ids if gene not in rows]:
            raise InputError(
                f"{self.path}: gene {unknown[0]} is not among the reduced features ({len(unknown)} of {len(gene_ids)} "
                "are not); they were made from another gene table, delete the file and rerun"
            )
        return ReducedSelection(self, np.array([rows[gene] for gene in gene_ids], dtype=np.intp))

    def _check(self, name: str, asked: object, found: object) -> None:
        if asked != found:
            raise InputError(
                f"{self.path}: its features have {name} {found}, but {asked} is asked for (config: inputs); make the "
                "file again for these inputs"
            )


class ReducedSelection(Features):
    """Genes x reduced features, float32, read by rows."""

    dtype = np.float32

    def __init__(self, store: ReducedStore, genes: np.ndarray) -> None:
        self.shape = (len(genes), store.file.shapes["features"][1])
        self._store, self._genes = store, genes

    def fill(self, rows: np.ndarray, out: np.ndarray) -> None:
        wanted = self._genes[rows]
        # In the order of the file.
        for row in np.argsort(wanted, kind="stable"):
            gene = f"gene {self._store.gene_id[wanted[row]]}"
            self._store.file.read_row("features", int(wanted[row]), out[row], what=gene)

    def where(self, row: int, column: int) -> str:
        """File, gene, feature and track of one value of a selected gene."""
        feature, track = divmod(column, len(self._store.track_id))
        gene, name = self._store.gene_id[self._genes[row]], self._store.track_id[track]
        return f"{self._store.path}: gene {gene}, feature {feature} of track {name}"
