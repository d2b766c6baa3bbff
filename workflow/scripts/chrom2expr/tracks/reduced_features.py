"""Reduced features, some numbers for each gene: read the file that a reduction of a feature store leaves.

HDF5 (see `hdf5`): `features` (gene, feature) float32, the first feature of all tracks, then the second, ...; `gene_id`;
`track_id` and `track_type` of its tracks, and `column`, which of the store's they are; as attributes `reduction` (its
name), `orientation` ("gene" where it had to know upstream from downstream, else "any"), `bins` (how many went into a
feature), `tracks` ("chromatin", "cage", "all", or "embedding", whose tracks are its coordinates), `reduced_from`
("tracks" of the store, or the means that it kept) and the provenance of the store that it was made from (see
`reduction`, which writes it).
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from chrom2expr.errors import InputError
from chrom2expr.files.hdf5 import CheckedFile
from chrom2expr.files.whole import Format
from chrom2expr.genome.features import Features
from chrom2expr.genome.windows import turned

FORMAT = Format("chrom2expr reduced feature", 3)


class ReducedFeatureStore:
    """A file of reduced features, open for reading; it offers what heads use of store_reader.FeatureStore.

    gene_id: (gene,); track_id, track_type: (track,); bins: how many went into a feature; tracks: their kind; reduction,
    orientation: what made it, and what that needs; provenance: strings by name.
    Raises InputError if the file is damaged or incomplete, or of another reduction than the one given.
    """

    def __init__(self, path: str | Path, reduction: str | None = None) -> None:
        self.path = Path(path)
        with ExitStack() as stack:
            self.file = stack.enter_context(CheckedFile(self.path, FORMAT))
            self.gene_id, self.track_id, self.track_type = (
                self.file.read(name) for name in ("gene_id", "track_id", "track_type")
            )
            attributes = self.file.attributes
            self.bins, self.tracks = int(attributes["bins"]), attributes["tracks"]
            self.reduction, self.orientation = attributes["reduction"], attributes["orientation"]
            self._check("reduction", reduction or self.reduction, self.reduction)
            self.provenance = {name: value for name, value in attributes.items() if isinstance(value, str)}
            self._stack = stack.pop_all()

    def __enter__(self) -> "ReducedFeatureStore":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def kind(self, tracks: str) -> np.ndarray:
        """Indices of the tracks of a kind, (track,): all that there are."""
        self._check("tracks", tracks, self.tracks)
        return np.arange(len(self.track_id))

    def columns(self, tracks: str) -> np.ndarray:
        """Which tracks of the store that it was reduced from those of a kind are, (track,)."""
        self._check("tracks", tracks, self.tracks)
        return self.file.read("column")

    def select(
        self, gene_ids: Sequence[str], tracks: str = "chromatin", orientation: str = "gene", bins: int | None = None
    ) -> "ReducedFeatures":
        """The reduced features of some genes, in the order given; nothing is read yet.

        Raises InputError on an unknown gene, and when the file was reduced from other tracks or bins, or in another
        orientation, if that matters to the reduction.
        """
        self._check("tracks", tracks, self.tracks)
        self._check("bins", bins or self.bins, self.bins)
        turned(np.array([]), orientation)  # refuses an unknown one, also where any will do
        if self.orientation != "any":
            self._check("orientation", orientation, self.orientation)
        rows = {gene: row for row, gene in enumerate(self.gene_id.tolist())}
        if unknown := [gene for gene in gene_ids if gene not in rows]:
            raise InputError(
                f"{self.path}: gene {unknown[0]} is not among the reduced features ({len(unknown)} of {len(gene_ids)} "
                "are not); they were made from another gene table, delete the file and rerun"
            )
        return ReducedFeatures(self, np.array([rows[gene] for gene in gene_ids], dtype=np.intp))

    def _check(self, name: str, asked: object, found: object) -> None:
        if asked != found:
            raise InputError(
                f"{self.path}: its features have {name} {found}, but {asked} is asked for (config: inputs, or "
                "heads: NAME: features); make the file again for these"
            )


class ReducedFeatures(Features):
    """Genes x reduced features, float32, read by rows."""

    dtype = np.float32

    def __init__(self, store: ReducedFeatureStore, genes: np.ndarray) -> None:
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
