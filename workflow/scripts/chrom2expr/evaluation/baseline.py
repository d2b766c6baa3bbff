"""The baseline of a split: every gene is predicted the training genes' mean expression in each cell type.

A module of its own beside the scores: an edit here or of the splits' reader repeats no figure.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chrom2expr.evaluation import statistics
from chrom2expr.evaluation.predictions import Predictions, join
from chrom2expr.genome.targets import read_split_targets


def of_splits(splits: Sequence[str | Path], expression: str | Path) -> Predictions:
    """`training_means` of a split's file, or of the files of its folds, joined.

    Of folds, every gene is predicted the mean of the folds' means: one constant, so that scores across genes are
    undefined as of a single split. The folds' own means would rank the genes, and wrongly: they are low where the test
    genes are high.
    """
    parts = {str(split): training_means(split, expression) for split in splits}
    joined = join(parts)
    constant = statistics.row_means(np.array([part.predicted[0] for part in parts.values()], dtype=np.float64).T)
    return joined._replace(predicted=np.broadcast_to(constant.astype(np.float32), joined.predicted.shape))


def training_means(split: str | Path, expression: str | Path) -> Predictions:
    """For every test gene of the file `split`: the mean of the training genes' observed values in each tissue.

    A tissue without any training value is left out (its observed values are made missing). Raises InputError as
    `read_split_targets`.
    """
    targets, parts = read_split_targets(expression, split)
    test = parts == "test"
    means = statistics.row_means(targets.log_expression[parts == "train"].T)
    observed = np.where(np.isnan(means), np.nan, targets.log_expression[test])
    predicted = np.broadcast_to(np.nan_to_num(means).astype(np.float32), observed.shape)
    return Predictions(predicted, observed, targets.gene_id[test], targets.tissue, parts[test])
