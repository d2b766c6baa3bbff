"""The two reductions of a gene's bins: ExPecto's sums, ten numbers a track, and the mean of the bins at the TSS.

The sums are weighted by distance from the TSS. Zhou et al. 2018 (ExPecto), Methods: w_k(s) = exp(-a_k |s| / 200 bp),
a = 0.01, 0.02, 0.05, 0.1, 0.2, five for upstream (s <= 0) and five for downstream (s >= 0); s is in bp from the TSS in
gene orientation, and s = 0 is on both sides. The means are what the thesis's linear probes take (section 2.2).
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from chrom2expr.door import Progress
from chrom2expr.errors import InputError
from chrom2expr.features import refuse_broken
from chrom2expr.hdf5 import create_file
from chrom2expr.reader import FeatureStore, Kind, Means, Selection
from chrom2expr.reduced import FORMAT, REDUCTIONS
from chrom2expr.store import embedding_names
from chrom2expr.windows import Geometry, central

DECAYS = (0.01, 0.02, 0.05, 0.1, 0.2)
DECAY_LENGTH = 200  # bp
# A batch of the store; two or three are in memory, and one gene as float32.
BATCH_BYTES = 1 << 26


def shifts(geometry: Geometry, bins: int | None = None) -> np.ndarray:
    """s of the central `bins` bins (all if None), (bin,) float64: bp from the TSS to the bin's centre, upstream < 0.

    In gene orientation, the same for both strands. A bin of even length has its centre between two bases, and the TSS
    is a base: s is the mean of the two strands' distances, so that Enformer's bins stand at +-64, +-192, ... (one of
    an odd number at 0), and ExPecto's are its shifts, -20000 to 19800.
    """
    middle = (np.arange(geometry.bins) - (geometry.bins - 1) / 2) * geometry.bin_size
    return (middle + (geometry.tss_index_minus - geometry.tss_index_plus) / 2)[central(geometry.bins, bins)]


def weights(geometry: Geometry, bins: int | None = None) -> np.ndarray:
    """The basis functions at the central `bins` bins (all if None), (10, bin) float32: upstream, then downstream."""
    distances = shifts(geometry, bins)
    decays = np.exp(-np.outer(DECAYS, np.abs(distances)) / DECAY_LENGTH)
    return np.concatenate([decays * (distances <= 0), decays * (distances >= 0)]).astype(np.float32)


def reduce(
    features: str | Path, output: str | Path, geometry: Geometry, bins: int | None = None, tracks: Kind = "chromatin"
) -> None:
    """Sum the central `bins` bins (all if None) of every gene of a feature store with the weights of the basis.

    In one pass, in the order of the store. The file is one that `reduced` reads, of the reduction "spatial_basis".
    Products and sums are float32. Raises InputError when the store is damaged, has other bins than `geometry`, or has
    no tracks of the kind asked for; nothing is written then.
    """
    with FeatureStore(features) as store:
        _check(store, geometry)
        basis = weights(geometry, bins)
        selection = store.select(store.gene_id, tracks, "gene", bins)

        def sums(batch: np.ndarray) -> np.ndarray:
            return np.stack([basis @ gene.astype(np.float32) for gene in batch]).reshape(len(batch), -1)

        _write(output, store, _each(selection, sums), "spatial_basis", selection.shape[1], tracks)


def average(
    features: str | Path, output: str | Path, geometry: Geometry, bins: int, tracks: Kind = "chromatin"
) -> None:
    """Average the central `bins` bins of every gene of a feature store: as `reduce`, of the reduction "central_means".

    Where inference kept float32 means (the config's `central_bins`), those are taken, and it is an InputError if they
    are over another number of bins; else the bins themselves are averaged, as float32, those that no measurement covers
    counting 0 like everywhere else. "embedding" is the embedding that a backbone's predictions came from; its tracks
    are called embedding_0000, ...
    """
    with FeatureStore(features) as store:
        _check(store, geometry)
        kept: Means = "central_embedding" if tracks == "embedding" else "central_tracks"
        if kept in store.file:
            found = store.provenance.get("central_bins", "an unknown number of")
            if found != str(bins):
                raise InputError(
                    f"{store.path}: its {kept} are means over {found} bins, but {bins} are asked for (backbones: NAME: "
                    f"central_bins): set it to what the store has, or delete {store.path} and its shards and rerun"
                )
            _write(output, store, _kept_means(store, kept, tracks), "central_means", bins, tracks)
        else:
            selection = store.select(store.gene_id, tracks, "genomic", bins)
            means = _each(selection, lambda batch: batch.mean(axis=1, dtype=np.float32))
            _write(output, store, means, "central_means", bins, tracks)


def _check(store: FeatureStore, geometry: Geometry) -> None:
    if (store.bins, store.bin_size) != (geometry.bins, geometry.bin_size):
        raise InputError(
            f"{store.path} has {store.bins} bins of {store.bin_size} bp, but backbones: NAME: geometry asks for "
            f"{geometry.bins} of {geometry.bin_size} bp: delete it and rerun"
        )


def _each(
    selection: Selection, reduced: Callable[[np.ndarray], np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(rows, what `reduced` makes of the features of those genes), all genes of a selection, in order.

    Raises InputError where one of the selection's features is not a finite number.
    """
    genes, bins, tracks = selection.shape
    for rows, batch in selection.batches(np.arange(genes), max(1, BATCH_BYTES // (2 * bins * tracks))):
        part = reduced(batch)
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


def _write(
    output: str | Path,
    store: FeatureStore,
    parts: Iterator[tuple[np.ndarray, np.ndarray]],
    reduction: str,
    bins: int,
    tracks: Kind,
) -> None:
    """Write the file that `reduced` reads: parts are (rows, features of those genes), in order."""
    if tracks == "embedding" and "central_embedding" in store.file:
        names = embedding_names(store.file.shapes["central_embedding"][1])
        kinds = np.full(len(names), "embedding")
    else:
        columns = store.kind(tracks)
        names, kinds = store.track_id[columns], store.track_type[columns]
    genes, width = len(store.gene_id), REDUCTIONS[reduction] * len(names)
    described = {"reduction": reduction, "bins": bins, "bin_size": store.bin_size, "tracks": tracks}
    with create_file(output, FORMAT, {**store.provenance, **described}) as file:
        file.write("gene_id", store.gene_id)
        file.write("track_id", names)
        file.write("track_type", kinds)
        file.create("features", (genes, width), np.float32)
        progress = Progress(genes, "genes")
        for rows, part in parts:
            file.put("features", rows[0], part)
            progress.advance(len(rows))
