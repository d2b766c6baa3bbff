"""A reduction: the mean of every track upstream of the TSS, and downstream."""

import numpy as np

from chrom2expr.tracks.reduction import Reduction


class Sides(Reduction):
    """Two features of each track, of as many bins as the input set asks for."""

    declares = {"api": 1, "bins": "inputs", "orientation": "gene"}
    features_per_track = 2

    def __call__(self, tracks):
        sides = np.array_split(tracks, 2, axis=1)
        return np.concatenate([side.mean(axis=1, dtype=np.float32) for side in sides], axis=1)
