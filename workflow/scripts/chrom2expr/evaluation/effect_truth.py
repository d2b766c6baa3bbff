"""Predicted effects of variants against true ones: planted, or measured in an assay or a cohort.

The truth is a table of effects on a gene in a tissue. The Spearman correlation with it is given over all variants and
tissues together, in each tissue, and as the mean of the tissues; for all true effects, and for those above and below
zero alone. Its interval is bootstrapped over variants; beside it stands what shuffling gives. Drawn and shuffled are
whole variants, since the tissues and genes of a variant are not independent.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from chrom2expr.errors import InputError
from chrom2expr.evaluation import metrics, statistics
from chrom2expr.files.tables import number, read_rows, read_table, write_table
from chrom2expr.job import Progress

ALL, MEAN = "all tissues", "mean of tissues"
SIGNS = ("all", "positive", "negative")
# Values that are resampled or shuffled at a time.
_AT_ONCE = 1 << 24


class Agreement(NamedTuple):
    """One row of a table: the true effects of one `sign` (one of SIGNS), in one tissue, ALL or MEAN.

    `spearman` is that of `n` pairs of a predicted and a true effect, which are of `variants` variants, or, of MEAN, the
    mean over the `n` tissues where it is defined; `undefined` counts correlations without a value. `ci_low` to
    `ci_high` is its 95 % interval over variants, `shuffled` the 95th percentile of what shuffled variants give.
    `same_sign` is the share of predictions with the sign of their true effect, where that is not zero. `not_scored`
    counts true effects without a prediction.
    """

    sign: str
    tissue: str
    spearman: float
    ci_low: float
    ci_high: float
    shuffled: float
    same_sign: float
    n: int
    variants: int
    undefined: int
    not_scored: int


def read_truth(path: str | Path) -> pl.DataFrame:
    """The table of true effects: variant_id, gene_id, tissue, effect (ln, alternative minus reference), and kind.

    `kind`, what a variant does, is empty where the table has no such column. Raises InputError, naming the row, for a
    missing cell, an effect that is no finite number, and a variant that is listed twice for a gene and tissue.
    """
    named = ("variant_id", "gene_id", "tissue")
    rows: dict[tuple[str, ...], tuple[float, str]] = {}
    for line, cells in read_table(path, (*named, "effect"), ours=False):
        key, effect = tuple(cells[name] for name in named), number(float, cells["effect"], path, line)
        if not all(key) or not np.isfinite(effect):
            raise InputError(f"{path}, row {line}: give variant_id, gene_id, tissue and a finite effect, or no row.")
        if key in rows:
            raise InputError(f"{path}, row {line}: {' '.join(key)} is listed twice; keep one.")
        rows[key] = effect, cells.get("kind") or ""
    if not rows:
        raise InputError(f"{path}: holds no effects.")
    keys, values = zip(*rows, strict=True), zip(*rows.values(), strict=True)
    return pl.DataFrame(dict(zip((*named, "effect", "kind"), (*keys, *values), strict=True)))


def beside_truth(truth: pl.DataFrame, effects: str | Path) -> pl.DataFrame:
    """The true effects with a column `predicted`, the log fold changes that a run's Parquet file of effects has.

    Null where it has none. Sorted by variant, gene and tissue. Raises InputError where none has any, and where the file
    has two variants of one name.
    """
    key = ["variant_id", "gene_id", "tissue"]
    scored = pl.scan_parquet(effects).select(
        *(pl.col(name).cast(pl.String) for name in key),
        predicted=pl.col("log_fold_change").cast(pl.Float64).fill_nan(None),
    )
    found = truth.lazy().join(scored, on=key, how="left").sort(key).collect()
    if len(found) > len(truth):
        twice = found.filter(found.select(key).is_duplicated())["variant_id"][0]
        raise InputError(f"{effects}: several variants are called {twice}; give each an ID of its own in the VCF.")
    if found["predicted"].null_count() == len(found):
        raise InputError(
            f"{effects}: has none of the variants, genes and tissues of the true effects, of which the first is "
            f"{', '.join(truth.row(0)[:3])}; they are compared by name, so use those of the VCF and of the expression."
        )
    return found


def agreements(compared: pl.DataFrame, resamples: int, seed: int) -> list[Agreement]:
    """How predictions agree with the true effects (see `beside_truth`), with so many resamples, and as many shuffles.

    >>> effect = [0.5, 0.1, -0.2, -0.9]
    >>> compared = pl.DataFrame({"variant_id": list("abcd"), "tissue": "t", "effect": effect, "predicted": effect})
    >>> found = agreements(compared, resamples=50, seed=1)  # doctest: +ELLIPSIS
    6 correlations to do
    6 of 6 correlations, ...
    >>> [(row.sign, row.tissue, row.spearman, row.n) for row in found[:2]]
    [('all', 'all tissues', 1.0, 4), ('all', 'mean of tissues', 1.0, 1)]
    """
    names, variant = np.unique(compared["variant_id"].to_numpy(), return_inverse=True)
    drawn = statistics.draw_genes(len(names), resamples, seed)
    keys = np.random.default_rng([seed, 1]).random((resamples, len(names)))
    effect = compared["effect"].to_numpy()
    asked = {"all": np.isfinite(effect), "positive": effect > 0, "negative": effect < 0}
    tissues = compared["tissue"].unique().sort().to_list()
    progress = Progress(len(asked) * (len(tissues) + 1), "correlations")
    return [
        row
        for sign, own in asked.items()
        for row in _rows(sign, compared.filter(own), variant[own], tissues, drawn, keys, progress)
    ]


def write(path: str | Path, rows: Sequence[Agreement]) -> None:
    """Write the table of agreement."""
    write_table(path, Agreement._fields, rows)


def read(path: str | Path) -> list[Agreement]:
    """Read a table that was written here. Raises InputError if it is damaged."""
    return read_rows(path, Agreement, lambda row: "" if row.sign in SIGNS else f"no sign {row.sign}")


def _rows(
    sign: str,
    compared: pl.DataFrame,
    variant: np.ndarray,
    tissues: Sequence[str],
    drawn: np.ndarray,
    keys: np.ndarray,
    progress: Progress,
) -> list[Agreement]:
    """The rows of the true effects of one sign; `variant` (pair,) numbers the columns of `drawn` and `keys`."""
    tissue = compared["tissue"].to_numpy()
    predicted, effect = (compared[name].cast(pl.Float64).to_numpy() for name in ("predicted", "effect"))
    scored = ~np.isnan(predicted)

    def row(of: str, own: np.ndarray, found: _Estimate, n: int, undefined: int) -> Agreement:
        defined = found.shuffled[~np.isnan(found.shuffled)]
        chance = float(np.quantile(defined, 0.95)) if len(defined) else np.nan
        counts = n, len(np.unique(variant[own & scored])), undefined, int((own & ~scored).sum())
        return Agreement(
            sign, of, found.spearman, *statistics.interval(found.resampled), chance, found.same_sign, *counts
        )

    def single(of: str, own: np.ndarray) -> tuple[_Estimate, Agreement]:
        kept = own & scored
        found = _Estimate.of(variant[kept], predicted[kept], effect[kept], drawn, keys)
        progress.advance(1)
        return found, row(of, own, found, int(kept.sum()), int(np.isnan(found.spearman)))

    everything = np.ones(len(tissue), dtype=bool)
    by_tissue = [single(one, tissue == one) for one in tissues]
    mean, means = _Estimate.mean([found for found, _ in by_tissue])
    both = single(ALL, everything)[1], row(MEAN, everything, mean, means.n, means.undefined)
    return [*both, *(made for _, made in by_tissue)]


class _Estimate(NamedTuple):
    """A Spearman correlation, the same in resamples and in shuffles (resample,), and the share of equal signs."""

    spearman: float
    resampled: np.ndarray
    shuffled: np.ndarray
    same_sign: float

    @classmethod
    def of(
        cls, variant: np.ndarray, predicted: np.ndarray, effect: np.ndarray, drawn: np.ndarray, keys: np.ndarray
    ) -> "_Estimate":
        """Of pairs (pair,), sorted by variant, whose numbers are columns of `drawn` and `keys` (resample, variant)."""
        signed = effect != 0
        same = float((np.sign(predicted) == np.sign(effect))[signed].mean()) if signed.any() else np.nan
        if len(effect) < 2:
            nothing = np.full(len(drawn), np.nan)
            return cls(np.nan, nothing, nothing, same)
        x, y = predicted[:, None], effect[:, None]
        step = max(1, _AT_ONCE // len(effect))
        parts = [slice(start, start + step) for start in range(0, len(drawn), step)]
        resampled = [statistics.resampled_cross_gene(x, y, drawn[part][:, variant])[:, 0] for part in parts]
        # Ranks stay what they are when they are shuffled.
        first, second = (pl.Series(values).rank().to_numpy() for values in (predicted, effect))
        scale = len(effect) * first.std() * second.std()
        orders = (np.argsort(keys[part][:, variant], axis=1, kind="stable") for part in parts)
        shuffled = np.concatenate([(second - second.mean())[order] @ (first - first.mean()) for order in orders])
        shuffled = shuffled / scale if scale > 0 else np.full(len(shuffled), np.nan)
        return cls(float(metrics.cross_gene(x, y)[0]), np.concatenate(resampled), shuffled, same)

    @classmethod
    def mean(cls, found: Sequence["_Estimate"]) -> tuple["_Estimate", metrics.Summary]:
        """The means over tissues, and what they are over."""
        summary = metrics.summarise(np.array([one.spearman for one in found]))
        resampled, shuffled = (
            statistics.row_means(np.stack(columns, axis=1))
            for columns in zip(*((one.resampled, one.shuffled) for one in found), strict=True)
        )
        same = metrics.summarise(np.array([one.same_sign for one in found])).mean
        return cls(summary.mean, resampled, shuffled, same), summary
