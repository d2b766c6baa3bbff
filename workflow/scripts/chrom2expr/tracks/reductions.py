"""The two reductions of a gene's bins: ExPecto's sums, ten numbers a track, and the mean of the bins at the TSS.

The sums are weighted by distance from the TSS. Zhou et al. 2018 (ExPecto), Methods: w_k(s) = exp(-a_k |s| / 200 bp),
a = 0.01, 0.02, 0.05, 0.1, 0.2, five for upstream (s <= 0) and five for downstream (s >= 0); s is in bp from the TSS in
gene orientation, and s = 0 is on both sides. The means are what the thesis's linear probes take (section 2.2).
"""

from typing import TYPE_CHECKING

import numpy as np

from chrom2expr.genome.windows import Geometry, central
from chrom2expr.tracks.reduction import Reduction

if TYPE_CHECKING:
    import torch

DECAYS = (0.01, 0.02, 0.05, 0.1, 0.2)
DECAY_LENGTH = 200  # bp


def shifts(geometry: Geometry, bins: int | None = None) -> np.ndarray:
    """s of the central `bins` bins (all if None), (bin,) float64: bp from the TSS to the bin's centre, upstream < 0.

    In gene orientation, the same for both strands. A bin of even length has its centre between two bases, and the TSS
    is a base: s is the mean of the two strands' distances, so that Enformer's bins are at +-64, +-192, ... (one of
    an odd number at 0), and ExPecto's are its shifts, -20000 to 19800.
    """
    middle = (np.arange(geometry.bins) - (geometry.bins - 1) / 2) * geometry.bin_size
    return (middle + (geometry.tss_index_minus - geometry.tss_index_plus) / 2)[central(geometry.bins, bins)]


def weights(geometry: Geometry, bins: int | None = None) -> np.ndarray:
    """The basis functions at the central `bins` bins (all if None), (10, bin) float32: upstream, then downstream."""
    distances = shifts(geometry, bins)
    decays = np.exp(-np.outer(DECAYS, np.abs(distances)) / DECAY_LENGTH)
    return np.concatenate([decays * (distances <= 0), decays * (distances >= 0)]).astype(np.float32)


class SpatialBasis(Reduction):
    """ExPecto's sums: every track's bins summed with the weights of the basis.

    Products and sums are float64, so that their order shows nowhere; what comes out is float32.
    """

    declares = {
        "api": 1,
        "bins": "inputs",
        "orientation": "gene",
        "schema": {
            "description": "Each track summed over the bins with the ten spatial weights of ExPecto.",
            "advice": "For ridge. It takes the bins of the inputs, in gene orientation.",
        },
    }
    features_per_track = 2 * len(DECAYS)

    def __init__(self, geometry: Geometry, bins: int | None = None) -> None:
        super().__init__(geometry, bins)
        self.basis = weights(geometry, bins).astype(np.float64)

    def __call__(self, tracks: np.ndarray) -> np.ndarray:
        sums = np.stack([self.basis @ gene.astype(np.float64) for gene in tracks])
        return sums.astype(np.float32).reshape(len(tracks), -1)

    def of_tensor(self, tracks: "torch.Tensor") -> "torch.Tensor":
        exact = tracks.double()
        return (exact.new_tensor(self.basis) @ exact).float().flatten(1)


class CentralMeans(Reduction):
    """The mean of every track, or of every coordinate of the embedding, over the bins at the TSS, as float32."""

    declares = {
        "api": 1,
        "bins": "backbone",
        "kept_means": True,
        "schema": {
            "description": "Each track, or each feature of the embedding, averaged over the backbone's `central_bins`.",
            "advice": "For linear probes.",
        },
    }

    def __call__(self, tracks: np.ndarray) -> np.ndarray:
        return tracks.mean(axis=1, dtype=np.float32)

    def of_tensor(self, tracks: "torch.Tensor") -> "torch.Tensor":
        return tracks.mean(1)
