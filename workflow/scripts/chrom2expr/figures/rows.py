"""The rows of figures' tables: what a figure of scores, or of attention, is drawn from."""

from math import nan
from typing import NamedTuple

# The series of the baseline: every gene is predicted the training genes' mean expression in each cell type.
BASELINE = "Training mean"


class Bar(NamedTuple):
    """One row of a figure's table: the mean score of one run by one metric.

    `panel` is the metric's label, `series` and `x` are the run's; all are as they are printed. `mean` and `sem` are
    over the `n` defined scores, and NaN where those are too few; `thesis` is the value the thesis states, NaN if it
    states none. `ci_low` to `ci_high` is the mean's 95 % bootstrap interval over test genes. `run` is the run's folder
    in models/. `metric` is the metric's name in the config, `quantity` what it measures, `unit` what has a score each.
    `colour` is the run's, empty if it has none of its own. What follows says how many of its source's test genes leak,
    and its score without them (see evaluation.without_leaks); of the baseline, which is given no sequence, nothing.
    """

    figure: str
    panel: str
    series: str
    x: str
    mean: float
    sem: float
    n: int
    undefined: int
    thesis: float
    ci_low: float
    ci_high: float
    run: str
    metric: str
    quantity: str
    unit: str
    colour: str
    test_genes: float = nan
    train_overlap: float = nan
    train_same_tss: float = nan
    val_overlap: float = nan
    trained_on: str = ""
    trained_on_tss: float = nan
    similar: float = nan
    leaking: float = nan
    mean_without: float = nan
    n_without: float = nan


class Point(NamedTuple):
    """One row of a figure's table. `x` is a bin relative to the TSS (a map) or a threshold (distal attention).

    `mean` and `sem` are over the `n` test genes: of the attention that the TSS pays to the bin, or of the number of
    distal bins to which it pays more than the threshold. The thesis states no numbers: `thesis` is NaN. `run` is the
    model's folder in models/, empty for a base model; `colour` its own colour, empty if it has none.
    """

    figure: str
    panel: str
    series: str
    x: float
    mean: float
    sem: float
    n: int
    undefined: int
    thesis: float
    run: str
    colour: str
