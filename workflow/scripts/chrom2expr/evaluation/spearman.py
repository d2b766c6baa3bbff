"""The thesis's two metrics: Spearman correlations across genes and across cell types."""

import numpy as np

from chrom2expr.evaluation import metrics, statistics
from chrom2expr.evaluation.metric import Metric


class CrossGene(Metric):
    """Spearman over the test genes, for every tissue (metrics.cross_gene)."""

    declares = {
        "api": 1,
        "schema": {
            "description": "Over the test genes, in every tissue.",
        },
        "label": "cross-gene",
        "quantity": "Spearman correlation",
        "unit": "tissue",
        "limits": [-1, 1],
    }

    def score(self, predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
        return metrics.cross_gene(predicted, observed)

    def resampled(self, predicted: np.ndarray, observed: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        return statistics.resampled_cross_gene(predicted, observed, drawn)


class CrossCelltype(Metric):
    """Spearman over the tissues, for every test gene (metrics.cross_celltype)."""

    declares = {
        "api": 1,
        "schema": {
            "description": "Over the tissues, for every test gene.",
        },
        "label": "cross-celltype",
        "quantity": "Spearman correlation",
        "unit": "gene",
        "limits": [-1, 1],
    }

    def score(self, predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
        return metrics.cross_celltype(predicted, observed)
