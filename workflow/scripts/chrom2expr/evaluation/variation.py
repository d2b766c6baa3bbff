"""How much expression varies: coefficients of variation across cell types and across genes (thesis, section 3.1)."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from chrom2expr.evaluation import metrics
from chrom2expr.files.tables import write_table
from chrom2expr.genome.targets import read_targets

HEADER = ("scale", "across", "mean", "sem", "n", "undefined", "median", "thesis")

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


def tabulate(expression: str | Path, output: str | Path, thesis: Mapping[tuple[str, str], float]) -> None:
    """Mean coefficient of variation of an expression.h5, on either scale, across cell types (over genes) and genes.

    Columns: scale (the unit of expression, RPKM say, and ln(RPKM + pseudocount); the latter alone if the matrix held
    logarithms), across, mean, sem, n, undefined, median, and the thesis's value, which is given for both scales, since
    the thesis does not name one. On the logarithmic scale a mean near 0 makes single coefficients huge, and the mean
    with them: there the median says more. Raises InputError for a damaged file.
    """
    targets = read_targets(expression)
    logarithms = targets.log_expression.astype(np.float64)
    scales = {targets.unit: logarithms}
    if np.any(targets.pseudocount):
        raw = np.exp(logarithms) - targets.pseudocount
        raw[raw < _RESOLUTION * (raw + targets.pseudocount)] = 0
        scales = {targets.unit: raw, f"ln({targets.unit} + pseudocount)": logarithms}
    rows = []
    for scale, values in scales.items():
        for across, oriented in (("cell types", values), ("genes", values.T)):
            found = coefficients(oriented)
            summary = metrics.summarise(found)
            median = float(np.nanmedian(found)) if summary.n else np.nan
            stated = thesis.get((f"coefficient of variation across {across}", ""), np.nan)
            print(f"coefficient of variation of {scale} across {across}: mean {summary.mean:.3f}, median {median:.3f}")
            rows.append((scale, across, *summary, median, stated))
    write_table(output, HEADER, rows)
