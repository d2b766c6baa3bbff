"""A metric of one's own: Pearson correlation over the test genes, for every tissue."""

import numpy as np

from chrom2expr.evaluation.metric import Metric


class Pearson(Metric):
    """Over the genes with a value in that tissue."""

    declares = {
        "api": 1,
        "schema": {},
        "label": "Pearson across genes",
        "quantity": "Pearson correlation",
        "unit": "tissue",
        "limits": [-1, 1],
    }

    def score(self, predicted, observed):
        scores = np.full(observed.shape[1], np.nan)
        for tissue, (one, other) in enumerate(zip(predicted.T, observed.T, strict=True)):
            present = ~np.isnan(other)
            # It is undefined where all genes have one value.
            if present.any() and np.ptp(one[present]) and np.ptp(other[present]):
                scores[tissue] = np.corrcoef(one[present], other[present])[0, 1]
        return np.clip(scores, -1, 1)
