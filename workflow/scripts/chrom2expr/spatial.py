"""ExPecto's reduction of a gene's bins to ten numbers a track: sums over the bins, weighted by distance from the TSS.

Zhou et al. 2018 (ExPecto), Methods: w_k(s) = exp(-a_k |s| / 200 bp), a = 0.01, 0.02, 0.05, 0.1, 0.2, five for upstream
(s <= 0) and five for downstream (s >= 0); s is in bp from the TSS in gene orientation, and s = 0 is on both sides.
"""

from pathlib import Path

import h5py
import numpy as np

from chrom2expr.door import Progress
from chrom2expr.errors import InputError
from chrom2expr.files import whole_file
from chrom2expr.store import FeatureStore, write_labels
from chrom2expr.windows import Geometry, central

DECAYS = (0.01, 0.02, 0.05, 0.1, 0.2)
DECAY_LENGTH = 200  # bp
BASIS = 2 * len(DECAYS)
# A batch of the store as float16; two or three are in memory, and one gene as float32.
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
    features: str | Path, output: str | Path, geometry: Geometry, bins: int | None = None, tracks: str = "chromatin"
) -> None:
    """Reduce every gene of a feature store, in its order, in one pass, over the central `bins` bins (all if None).

    The file is one that `reduced` reads. Products and sums are float32. Raises InputError when the store is damaged, has
    other bins than `geometry`, or has no tracks of the kind asked for; nothing is written then.
    """
    with FeatureStore(features) as store:
        if (store.bins, store.bin_size) != (geometry.bins, geometry.bin_size):
            raise InputError(
                f"{features} has {store.bins} bins of {store.bin_size} bp, but backbones: NAME: geometry asks for "
                f"{geometry.bins} of {geometry.bin_size} bp: delete it and rerun"
            )
        basis = weights(geometry, bins)
        selection = store.select(store.gene_id, tracks, "gene", bins)
        genes, summed, columns = selection.shape
        kept = store.kind(tracks)
        with whole_file(output) as partial, h5py.File(partial, "w", libver=("v110", "v110")) as file:
            write_labels(file, "gene_id", store.gene_id)
            write_labels(file, "track_id", store.track_id[kept])
            write_labels(file, "track_type", store.track_type[kept])
            reduced = file.create_dataset(
                "features", (genes, BASIS * columns), np.float32, chunks=(1, BASIS * columns), fletcher32=True
            )
            progress = Progress(genes, "genes")
            batch_size = max(1, BATCH_BYTES // (2 * summed * columns))
            for rows, batch in selection.batches(np.arange(genes), batch_size):
                sums = np.stack([basis @ gene.astype(np.float32) for gene in batch])  # (gene, basis, track)
                reduced[rows[0] : rows[-1] + 1] = sums.reshape(len(rows), -1)
                progress.advance(len(rows))
            file.attrs.update(store.provenance)
            file.attrs.update(bins=summed, bin_size=store.bin_size, tracks=tracks, complete=True)
