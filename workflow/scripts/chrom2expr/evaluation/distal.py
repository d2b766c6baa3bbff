"""How much the TSS attends to distal bins, gene by gene, as scores that runs can be compared by."""

from collections.abc import Sequence

import numpy as np

from chrom2expr.backbones.attention import Attention
from chrom2expr.evaluation import statistics
from chrom2expr.evaluation.scores import Scores

# What `distal_scores` gives of every gene, by name, and its unit.
UNITS = {"distal_attention": "share of attention", "distal_bins": "bins"}


def distal_rows(found: Attention, beyond: int) -> np.ndarray:
    """Attention to the bins more than `beyond` bins from the TSS's: (gene, bin) -> (gene, distal bin).

    >>> rows = Attention(np.array([[0.1, 0.2, 0.4, 0.2, 0.1]]), np.array(["g"]), 2)
    >>> distal_rows(rows, 1).tolist()
    [[0.1, 0.1]]
    """
    distance = np.abs(np.arange(found.attention.shape[1]) - found.query_bin)
    return found.attention[:, distance > beyond]


def distal_scores(found: Attention, beyond: int, thresholds: Sequence[float], resamples: int, seed: int) -> Scores:
    """Scores by gene of a model's attention, with resamples of these genes.

    `distal_attention` is the sum over the distal bins, `distal_bins` how many of them have more than a threshold,
    averaged over the `thresholds`.
    """
    distal = distal_rows(found, beyond).astype(np.float64)
    counts = [(distal > threshold).sum(axis=1) for threshold in thresholds]
    values = {"distal_attention": distal.sum(axis=1), "distal_bins": np.mean(counts, axis=0)}
    drawn = statistics.draw_genes(len(found.gene_id), resamples, seed)
    return Scores((), tuple(found.gene_id.tolist()), values, drawn, {})
