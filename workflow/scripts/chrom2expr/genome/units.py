"""Units of expression: what a matrix says it holds, whether its numbers can be that, and what targets are made of."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from chrom2expr.errors import InputError

Unit = Literal["rpkm", "tpm", "cpm", "counts", "log"]
# What targets are made of, by the unit of the matrix.
LABELS = {"rpkm": "RPKM", "tpm": "TPM", "cpm": "CPM", "counts": "CPM", "log": "the matrix's logarithm"}
_MILLION = 1e6
# Rounded values need not sum to a million exactly.
_TOLERANCE = 0.01
# No logarithm of an expression value is larger, whatever its base.
_LARGEST_LOG = 50
# So many values above 0 that are all whole are counts.
_ENOUGH = 1000


def check(
    values: np.ndarray,
    unit: Unit,
    path: object,
    place: Sequence[str],
    tissue: Sequence[str],
    *,
    estimated: bool = False,
) -> None:
    """Raise InputError, by row and column, where values (row, tissue) cannot be what `unit` declares; NaN = missing.

    RPKM, TPM, CPM and counts are not negative, and none is infinite; the columns of TPM and CPM do not sum to more
    than a million; of many values not all are whole unless they are counts; logarithms are small. Counts that are not
    whole are told of, as are columns that sum to less than a million; `estimated` ones, which a program calls counts in
    its own file, need not be whole and may sum to anything.
    """
    bad = np.isinf(values) if unit == "log" else (values < 0) | np.isinf(values)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        kind = "a finite number" if unit == "log" else "a number of at least 0"
        named = "a logarithm" if unit == "log" else f"of {unit.upper() if unit != 'counts' else 'counts'}"
        raise InputError(
            f"{path}, {place[row]}, column '{tissue[column]}': '{values[row, column]:g}' is not {named}, which is "
            f"{kind} (expression: unit)"
        )
    if unit == "log":
        row, column = np.unravel_index(np.nanargmax(values), values.shape) if np.isfinite(values).any() else (0, 0)
        if values[row, column] > _LARGEST_LOG:
            raise InputError(
                f"{path}, {place[row]}, column '{tissue[column]}': '{values[row, column]:g}' is no logarithm of an "
                "expression value, but the config says expression: unit: log"
            )
        return
    positive = values[values > 0]
    if unit != "counts" and len(positive) >= _ENOUGH and (positive == np.round(positive)).all():
        raise InputError(
            f"{path}: all values are whole numbers, as counts are, but the config says expression: unit: {unit}"
        )
    sums, millions = np.nansum(values, axis=0), unit in ("tpm", "cpm")
    largest = int(np.argmax(sums))
    if millions and sums[largest] > _MILLION * (1 + _TOLERANCE):
        raise InputError(
            f"{path}, column '{tissue[largest]}': sums to {sums[largest]:,.0f}, but {unit.upper()} of all genes sum to "
            f"a million: the config says expression: unit: {unit}"
        )
    if millions and sums.min() < _MILLION * (1 - _TOLERANCE):
        print(
            f"{path}: columns sum to {sums.min():,.0f} to {sums.max():,.0f} {unit.upper()}; those of all genes sum to "
            "a million"
        )
    broken = (positive != np.round(positive)).sum()
    if unit != "counts" or estimated or not broken:
        return
    if len(positive) >= _ENOUGH and (abs(sums - _MILLION) < _TOLERANCE * _MILLION).all():
        raise InputError(
            f"{path}: every column sums to a million, as TPM and CPM do, but the config says expression: unit: counts"
        )
    print(f"{path}: {broken:,} of {len(positive):,} counts above 0 are not whole, as RSEM's and Salmon's are not")


def normalised(
    values: np.ndarray, unit: Unit, path: object, tissue: Sequence[str], lengths: np.ndarray | None = None
) -> np.ndarray:
    """Values (row, tissue) as targets take them: counts per million of their column, all else as it is.

    With the `lengths` (row,) of the genes in bases, counts become TPM: a count a base, per million of its column; rows
    whose length is not known, NaN, take no part. Raises InputError for a column of counts without any.

    >>> normalised(np.array([[10.0], [10.0]]), "counts", "m.csv", ["lung"], np.array([1000.0, 3000.0])).tolist()
    [[750000.0], [250000.0]]
    """
    if unit != "counts":
        return values
    if lengths is not None:
        values = values / lengths[:, None]
    sums = np.nansum(values, axis=0)
    if not sums.all():
        raise InputError(f"{path}, column '{tissue[int(np.argmin(sums))]}': holds no counts at all; leave it out")
    return values / sums * _MILLION
