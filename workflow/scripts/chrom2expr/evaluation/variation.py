"""How much expression varies: coefficients of variation across cell types and across genes (thesis, section 3.1)."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from chrom2expr.evaluation import metrics, statistics
from chrom2expr.evaluation.scores import Scores
from chrom2expr.files.tables import write_table
from chrom2expr.genome.targets import Targets, read_targets

HEADER = ("scale", "across", "mean", "sem", "n", "undefined", "median", "thesis")
# What the thesis's values are called, by what expression varies across.
NAMES = {across: f"coefficient of variation across {across}" for across in ("cell types", "genes")}
# Resamples that are worked out at a time, for memory.
_BLOCK = 100

# float32 holds a logarithm to about this part of expression + pseudocount; below it, expression is 0.
_RESOLUTION = 1e-5


def coefficients(values: np.ndarray) -> np.ndarray:
    """Sample standard deviation over the absolute mean of each row: (row, column), NaN = missing -> (row,) float64.

    NaN, undefined, where the mean is 0 or fewer than two values are present.
    """
    present = ~np.isnan(values)
    count = present.sum(axis=1)
    mean = np.where(present, values, 0).sum(axis=1, dtype=np.float64) / np.maximum(count, 1)
    squares = (np.where(present, values - mean[:, None], 0) ** 2).sum(axis=1, dtype=np.float64)
    deviation = np.sqrt(squares / np.maximum(count - 1, 1))
    defined = (count > 1) & (mean != 0)
    return np.divide(deviation, np.abs(mean), out=np.full(len(values), np.nan), where=defined)


def scales(targets: Targets) -> dict[str, np.ndarray]:
    """Expression (gene, tissue) float64 by the name of its scale: in its unit, and as logarithms.

    The latter alone if the matrix held logarithms.
    """
    logarithms = targets.log_expression.astype(np.float64)
    if not np.any(targets.pseudocount):
        return {targets.unit: logarithms}
    raw = np.exp(logarithms) - targets.pseudocount
    raw[raw < _RESOLUTION * (raw + targets.pseudocount)] = 0
    return {targets.unit: raw, f"ln({targets.unit} + pseudocount)": logarithms}


def resampled_coefficients(values: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """`coefficients` across the genes of every resample: (gene, tissue), (resample, gene) -> (resample, tissue)."""
    present = (~np.isnan(values)).astype(np.float64)
    whole = np.where(present.any(axis=0), np.nansum(values, axis=0) / np.maximum(present.sum(axis=0), 1), 0)
    # Sums of squares lose digits unless they are of what is left of the mean.
    centred = np.where(np.isnan(values), 0, values - whole)
    result = np.full((len(drawn), values.shape[1]), np.nan)
    for row in range(0, len(drawn), _BLOCK):
        weights = drawn[row : row + _BLOCK].astype(np.float64)
        count, total, squares = weights @ present, weights @ centred, weights @ centred**2
        mean = whole + total / np.maximum(count, 1)
        variance = np.maximum(squares - total**2 / np.maximum(count, 1), 0) / np.maximum(count - 1, 1)
        defined = (count > 1) & (mean != 0)
        np.divide(np.sqrt(variance), np.abs(mean), out=result[row : row + _BLOCK], where=defined)
    return result


def variation_scores(targets: Targets, resamples: int, seed: int) -> Scores:
    """The coefficients of variation as scores, in the unit of the expression, with resamples of all genes."""
    values = next(iter(scales(targets).values()))
    drawn = statistics.draw_genes(len(values), resamples, seed)
    found = {NAMES["cell types"]: coefficients(values), NAMES["genes"]: coefficients(values.T)}
    resampled = {NAMES["genes"]: resampled_coefficients(values, drawn)}
    return Scores(tuple(targets.tissue.tolist()), tuple(targets.gene_id.tolist()), found, drawn, resampled)


def tabulate(expression: str | Path, output: str | Path, thesis: Mapping[tuple[str, str], float]) -> None:
    """Mean coefficient of variation of an expression.h5, on either scale, across cell types (over genes) and genes.

    Columns: scale (the unit of expression, RPKM say, and ln(RPKM + pseudocount); the latter alone if the matrix held
    logarithms), across, mean, sem, n, undefined, median, and the thesis's value, which is given for both scales, since
    the thesis does not name one. On the logarithmic scale a mean near 0 makes single coefficients huge, and the mean
    with them: there the median says more. Raises InputError for a damaged file.
    """
    rows = []
    for scale, values in scales(read_targets(expression)).items():
        for across, oriented in (("cell types", values), ("genes", values.T)):
            found = coefficients(oriented)
            summary = metrics.summarise(found)
            median = float(np.nanmedian(found)) if summary.n else np.nan
            stated = thesis.get((NAMES[across], ""), np.nan)
            print(f"coefficient of variation of {scale} across {across}: mean {summary.mean:.3f}, median {median:.3f}")
            rows.append((scale, across, *summary, median, stated))
    write_table(output, HEADER, rows)
