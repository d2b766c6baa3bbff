"""What every reduction gives: a few features of each track of a gene, out of its bins; and the file of them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from chrom2expr import registry
from chrom2expr.errors import InputError
from chrom2expr.files.hdf5 import create_file
from chrom2expr.genome.features import refuse_broken
from chrom2expr.genome.windows import Geometry
from chrom2expr.job import Progress
from chrom2expr.tracks.reduced_features import FORMAT
from chrom2expr.tracks.store_reader import FeatureStore, Kind, Means, Selection
from chrom2expr.tracks.store_writer import embedding_names

if TYPE_CHECKING:
    import torch

# A batch of the store; two or three are in memory.
BATCH_BYTES = 1 << 26


class Reduction(ABC):
    """Makes a few features of each track of a gene; it is called with batches, and a subclass says what it does.

    `declares`, beside what all classes declare (see registry; it has no settings), holds `bins`: "inputs" where it
    takes the bins that the input set asks for, "backbone" where it takes the backbone's `central_bins`. It may hold
    `orientation`: "gene", where the order of bins matters: minus-strand genes are turned round for it; others are given
    all genes in genomic order. And `kept_means`: true where its features are the means over the central bins, which
    inference may have kept as float32: these are taken then, and those of an embedding too.

    geometry: of the store; bins: how many in the middle of it a gene has here, None for all.

    >>> class Largest(Reduction):
    ...     declares = {"api": 1, "bins": "inputs"}
    ...     def __call__(self, tracks):
    ...         return tracks.max(axis=1).astype(np.float32)
    >>> Largest(Geometry.centred(384, 3, 128))(np.array([[[1.0], [3.0], [2.0]]])).tolist()
    [[3.0]]
    """

    declares: ClassVar[Mapping[str, Any]]
    features_per_track: ClassVar[int] = 1

    def __init__(self, geometry: Geometry, bins: int | None = None) -> None:
        self.geometry, self.bins = geometry, bins

    @abstractmethod
    def __call__(self, tracks: np.ndarray) -> np.ndarray:
        """(gene, bin, track) float16 -> (gene, feature) float32: feature k * tracks + t is the k-th of track t.

        No gene and no track may depend on the others. What is not a finite number must not become one.
        """

    def of_tensor(self, tracks: "torch.Tensor") -> "torch.Tensor":
        """The same of a tensor (gene, bin, track) float32, with gradients: what a trained run asks for."""
        raise InputError(
            f"{type(self).__name__} reduces arrays only: define its of_tensor, and runs on its features can be asked "
            "about new sequences"
        )


def reduce_store(
    features: str | Path,
    output: str | Path,
    name: str,
    geometry: Geometry,
    bins: int | None = None,
    tracks: Kind = "chromatin",
) -> None:
    """Reduce the central `bins` bins (all if None) of every gene of a feature store, and write what `reduced` reads.

    In one pass, in the order of the store. `name` is that of a reduction (see registry). Of the kind "embedding" is the
    embedding that a backbone's predictions came from, where the store keeps its means; its tracks are then called
    embedding_0000, ... Bins that no measurement covers count 0 like everywhere else.

    Raises InputError when the store is damaged, has other bins than `geometry`, has no tracks of the kind asked for, or
    keeps means over another number of bins; nothing is written then.
    """
    found = registry.find("reductions", name).load()
    reduction, declared = found(geometry, bins), found.declares
    with FeatureStore(features) as store:
        _check(store, geometry)
        kept: Means = "central_embedding" if tracks == "embedding" else "central_tracks"
        taken = declared.get("kept_means", False) and kept in store.file
        if taken:
            _check_kept(store, kept, bins)
            parts, used = _kept_means(store, kept, tracks), bins
            source = kept
        else:
            source = "tracks"
            selection = store.select(store.gene_id, tracks, declared.get("orientation", "genomic"), bins)
            parts, used = _each(selection, reduction), selection.shape[1]
        if taken and kept == "central_embedding":
            names = embedding_names(store.file.shapes[kept][1])
            columns, kinds = np.arange(len(names)), np.full(len(names), "embedding")
        else:
            columns = store.kind(tracks)
            names, kinds = store.track_id[columns], store.track_type[columns]
        described = {"reduction": name, "orientation": declared.get("orientation", "any"), "bins": used}
        described |= {"bin_size": store.bin_size, "tracks": tracks, "reduced_from": source}
        genes = len(store.gene_id)
        with create_file(output, FORMAT, {**store.provenance, **described}) as file:
            file.write("gene_id", store.gene_id)
            file.write("track_id", names)
            file.write("track_type", kinds)
            file.write("column", columns)
            file.create("features", (genes, reduction.features_per_track * len(names)), np.float32)
            progress = Progress(genes, "genes")
            for rows, part in parts:
                file.put("features", rows[0], part)
                progress.advance(len(rows))


def _check(store: FeatureStore, geometry: Geometry) -> None:
    if (store.bins, store.bin_size) != (geometry.bins, geometry.bin_size):
        raise InputError(
            f"{store.path} has {store.bins} bins of {store.bin_size} bp, but backbones: NAME: geometry asks for "
            f"{geometry.bins} of {geometry.bin_size} bp: delete it and rerun"
        )


def _check_kept(store: FeatureStore, kept: Means, bins: int | None) -> None:
    found = store.provenance.get("central_bins", "an unknown number of")
    if found != str(bins):
        raise InputError(
            f"{store.path}: its {kept} are means over {found} bins, but {bins} are asked for (backbones: NAME: "
            f"central_bins): set it to what the store has, or delete {store.path} and its shards and rerun"
        )


def _each(selection: Selection, reduction: Reduction) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(rows, what a reduction makes of the features of those genes), all genes of a selection, in order.

    Raises InputError where one of the selection's features is not a finite number.
    """
    genes, bins, tracks = selection.shape
    for rows, batch in selection.batches(np.arange(genes), max(1, BATCH_BYTES // (2 * bins * tracks))):
        part = reduction(batch)
        if not np.isfinite(part).all():
            refuse_broken(selection, rows, batch)
        yield rows, part


def _kept_means(store: FeatureStore, name: Means, tracks: Kind) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All genes of a store, in order: (rows, means) of the tracks of a kind, from what it keeps of the central bins."""
    genes, width = store.file.shapes[name]
    columns = slice(None) if tracks == "embedding" else store.kind(tracks)
    step = max(1, BATCH_BYTES // (4 * width))
    for start in range(0, genes, step):
        rows = np.arange(start, min(start + step, genes))
        means = store.means(name, range(start, rows[-1] + 1))[:, columns]
        if len(broken := np.flatnonzero(~np.isfinite(means).all(axis=1))):
            gene = store.gene_id[rows[broken[0]]]
            raise InputError(f"{store.path}: {name} of gene {gene} is not finite; delete its shards and it, and rerun")
        yield rows, means
