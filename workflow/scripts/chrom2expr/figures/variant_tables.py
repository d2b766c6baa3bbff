"""The tables of figures of variants: their effects by distance, by tissue, and beside the true ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from chrom2expr.errors import InputError, reading
from chrom2expr.evaluation import effect_truth
from chrom2expr.figures.rows import AGREEMENT, DISTANCE, LOWERED, RAISED, TISSUES, TRUTH, EffectPoint

_PAIR = ["variant_id", "gene_id"]
_READ = [*_PAIR, "chrom", "pos", "distance", "tissue", "log_fold_change"]


class ScoredVariants(NamedTuple):
    """A run of a figure of variants: its label, its folder in models/, and its effects, a row each.

    effects: variant_id, chrom, pos, gene_id, distance, tissue, log_fold_change, kind; without those that are undefined.
    compared: with the true effects (see effect_truth.beside_truth); None without. agreement: how the two agree.
    """

    series: str
    run: str
    effects: pl.DataFrame
    compared: pl.DataFrame | None
    agreement: effect_truth.Agreement | None


def read_runs(
    figure: str,
    runs: Sequence[Mapping[str, str]],
    effects: Sequence[str | Path],
    truth: str | Path | None = None,
    agreements: Sequence[str | Path] = (),
) -> list[ScoredVariants]:
    """The runs of a figure, each with a label `series`, a folder `run`, and a Parquet file of effects.

    With a table of true effects, each has its table of agreement too. Raises InputError if two share a label, and for a
    file of effects that holds none.
    """
    labels = [run["series"] for run in runs]
    for label in labels:
        if labels.count(label) > 1:
            raise InputError(f"{figure} has two runs named {label}; give one another label.")
    true = effect_truth.read_truth(truth) if truth else None
    found = []
    for place, (run, path) in enumerate(zip(runs, effects, strict=True)):
        compared, agreement = None, None
        if true is not None:
            compared = effect_truth.beside_truth(true, path)
            agreement = effect_truth.read(agreements[place])[0]
        found.append(ScoredVariants(run["series"], run["run"], _effects(path, true), compared, agreement))
    return found


def points(figure: str, runs: Sequence[ScoredVariants], top: int) -> list[EffectPoint]:
    """The points of all panels, run by run; the tissues of the `top` strongest pairs of a variant and a gene alone."""
    return [point for run in runs for point in _run_points(figure, run, top)]


def _effects(path: str | Path, truth: pl.DataFrame | None) -> pl.DataFrame:
    """The effects of a Parquet file, with the kind of each variant."""
    texts = (pl.col(name).cast(pl.String) for name in ("variant_id", "chrom", "gene_id", "tissue"))
    with reading(path, "table of effects", "delete it and run again"):
        found = pl.read_parquet(path, columns=_READ)
    found = found.with_columns(*texts, pl.col("log_fold_change").cast(pl.Float64)).filter(
        pl.col("log_fold_change").is_finite()
    )
    if found.is_empty():
        raise InputError(f"{path}: holds no effects; its log says which variants were left out.")
    if truth is None:
        return found.with_columns(kind=pl.lit(""))
    kinds = truth.select("variant_id", "kind").unique("variant_id", keep="first")
    return found.join(kinds, on="variant_id", how="left", maintain_order="left").with_columns(
        pl.col("kind").fill_null("")
    )


def _run_points(figure: str, run: ScoredVariants, top: int) -> list[EffectPoint]:
    def point(panel: str, row: Mapping[str, object], x: float, y: float) -> EffectPoint:
        named = (str(row[name]) for name in (*_PAIR, "kind", "tissue"))
        return EffectPoint(figure, panel, run.series, run.run, *named, float(x), float(y), np.nan, np.nan)

    strongest = _strongest(run.effects, "log_fold_change").with_columns(
        kind=pl.when(pl.col("kind") != "")
        .then("kind")
        .when(pl.col("log_fold_change") > 0)
        .then(pl.lit(RAISED))
        .otherwise(pl.lit(LOWERED))
    )
    rows = [point(DISTANCE, row, row["distance"], row["log_fold_change"]) for row in strongest.to_dicts()]
    shown = strongest.sort(pl.col("log_fold_change").abs(), descending=True, maintain_order=True).head(top)
    shown = run.effects.join(shown.select(_PAIR), on=_PAIR, how="semi").sort(
        "chrom", "pos", *_PAIR, maintain_order=True
    )
    rows += [point(TISSUES, row, np.nan, row["log_fold_change"]) for row in shown.to_dicts()]
    if run.compared is not None:
        scored = _strongest(run.compared.drop_nulls("predicted"), "effect")
        rows += [point(TRUTH, row, row["effect"], row["predicted"]) for row in scored.to_dicts()]
        own = run.agreement
        nothing = dict.fromkeys((*_PAIR, "kind", "tissue"), "")
        whole = point(AGREEMENT, nothing, own.shuffled, own.spearman)
        rows.append(whole._replace(ci_low=own.ci_low, ci_high=own.ci_high))
    return rows


def _strongest(effects: pl.DataFrame, column: str) -> pl.DataFrame:
    """Of each variant and gene the row whose `column` is furthest from zero, in the order of their first rows."""
    place = pl.col(column).abs().arg_max()
    return effects.group_by(_PAIR, maintain_order=True).agg(pl.exclude(_PAIR).get(place))
