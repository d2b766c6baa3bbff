"""The rows of figures' tables: what a figure of scores, of attention, or of the effects of variants is drawn from."""

from math import nan
from typing import NamedTuple

# The series of the baseline: every gene is predicted the training genes' mean expression in each cell type.
BASELINE = "Training mean"
# The panels of a figure of variants (see EffectPoint), and what an effect does.
DISTANCE, TISSUES, TRUTH, AGREEMENT = EFFECT_PANELS = ("distance", "tissues", "truth", "agreement")
RAISED, LOWERED = "raised", "lowered"


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


class EffectPoint(NamedTuple):
    """One row of a figure's table of the effects of variants, in ln (alternative minus reference) of one run, `series`.

    panel "distance": `y` is the effect in the tissue where it is strongest, `x` the distance from the TSS in bp, in the
    gene's direction, negative upstream. "tissues": `y` is the effect in the `tissue`, `x` is NaN. "truth": `y` is the
    effect in the tissue where the true one, `x`, is strongest. "agreement": `y` is the Spearman correlation with the
    true effects over all variants and tissues, `ci_low` to `ci_high` its 95 % interval over variants, `x` the 95th
    percentile when they are shuffled; it is of no variant. `kind` is what the variant does, where a table of true
    effects says it, or else what its effect does.
    """

    figure: str
    panel: str
    series: str
    run: str
    variant_id: str
    gene_id: str
    kind: str
    tissue: str
    x: float
    y: float
    ci_low: float
    ci_high: float
