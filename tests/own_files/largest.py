"""A reduction of one's own: the largest value of every track upstream of the TSS, and downstream."""

import numpy as np

from chrom2expr.tracks.reduction import Reduction


class Largest(Reduction):
    """Two features of each track, of as many bins as the input set asks for."""

    declares = {"api": 1, "bins": "inputs", "orientation": "gene"}
    features_per_track = 2

    def __call__(self, tracks):
        upstream, downstream = np.array_split(tracks.astype(np.float32), 2, axis=1)
        return np.concatenate([upstream.max(axis=1), downstream.max(axis=1)], axis=1)
