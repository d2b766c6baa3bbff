"""How many test genes leak, and the scores of runs without them.

A test gene leaks if a training gene's window overlaps its own or has its TSS, or if more than a given share of its
31-mers is found in the window of one. What a backbone has seen, and what validation genes share, is counted beside it.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chrom2expr.evaluation import metrics as summaries
from chrom2expr.evaluation.metric import Metric
from chrom2expr.evaluation.predictions import Predictions
from chrom2expr.evaluation.scores import UNITS, read_test_predictions
from chrom2expr.files.pages import Table, write_page
from chrom2expr.files.tables import write_table
from chrom2expr.genome import audits
from chrom2expr.genome.audits import NO, NONE, UNKNOWN, YES, Audited
from chrom2expr.job import tell


class Summary(NamedTuple):
    """One row of leakage.tsv: of how many of a source's test genes each thing is true (see audits.Audited).

    `trained_on` is yes, unknown or none: whether it is known what the backbone was trained on, or there is none;
    `trained_on_tss` (NaN if not) and the mean `trained_on_share` say how much of the genes that is. `leaking` are the
    genes of `train_overlap`, `train_same_tss` and `similar` together.
    """

    source: str
    split: str
    assembly: str
    window_bp: int
    test_genes: int
    leaking: int
    train_overlap: int
    train_same_tss: int
    val_overlap: int
    val_same_tss: int
    trained_on: str
    trained_on_tss: int | None
    trained_on_share: float
    similar: int
    similar_unknown: int


# What the page says above its tables.
_ABOUT = (
    "Of how many test genes something may have been learned in training, and what every run scores without them. "
    "docs/leakage.md says what the columns mean, and what they do not."
)
_SOURCES = (
    "Of how many test_genes a training gene's window overlaps (train_overlap) or has the same TSS (train_same_tss); a "
    "validation gene's does (val_overlap, val_same_tss), which is context, since no weight is fitted to it.",
    "Whether it is known what the backbone was trained on (trained_on: yes, unknown, or none for measured tracks); on "
    "the bin of how many TSSs it was (trained_on_tss), and on what share of the windows (trained_on_share).",
    "Of how many more 31-mers than the config's leakage: shared are in one training window (similar), or this is "
    "unknown (similar_unknown). leaking: the genes of train_overlap, train_same_tss and similar together. window_bp: "
    "how much around a TSS heads are given.",
)
_SCORES = (
    "mean: the score in the figures, over n units. mean_without: the score without the leaking of the test_genes, over "
    "n_without. difference: mean_without minus mean. Genes that only the backbone has seen are left in."
)


class Source(NamedTuple):
    """The row of a source, and the ids of its test genes that leak."""

    summary: Summary
    leaking: set[str]


class Rescored(NamedTuple):
    """One row of leakage.scores.tsv: the mean score of a run over its `n` units (`unit`), and without leaking genes."""

    run: str
    source: str
    metric: str
    unit: str
    test_genes: int
    leaking: int
    mean: float
    n: int
    mean_without: float
    n_without: int


def read_sources(sources: Sequence[Mapping[str, Any]], files: Sequence[str | Path], shared: float) -> dict[str, Source]:
    """What the audits of sources (see `summarise`) say, by source; `files` as audits.write leaves them."""
    found = {}
    for source, file in zip(sources, files, strict=True):
        genes = audits.read(file, Audited)
        found[source["source"]] = Source(summarise(source, genes, shared), leaking(genes, shared))
    return found


def read_rescored(
    runs: Sequence[Mapping[str, str]],
    files: Sequence[str | Path],
    metrics: Mapping[str, Metric],
    sources: Mapping[str, Source],
) -> list[Rescored]:
    """The rows of runs (`run`, `source`) with these predictions, run by run."""
    return [
        row
        for run, file in zip(runs, files, strict=True)
        for row in rescore(run, read_test_predictions(file), metrics, sources[run["source"]].leaking)
    ]


def leaking(genes: Sequence[Audited], shared: float) -> set[str]:
    """The ids of the genes that leak; `shared` is the share of 31-mers above which `similar` does."""
    return {gene.gene_id for gene in genes if gene.train_overlap_bp > 0 or gene.train_same_tss or gene.similar > shared}


def summarise(source: Mapping[str, Any], genes: Sequence[Audited], shared: float) -> Summary:
    """The row of a source (its name as `source`, `split`, `assembly`, `window_bp`) with these test genes."""
    word = genes[0].trained_on_tss
    known = word in (YES, NO)
    return Summary(
        source["source"],
        source["split"],
        source["assembly"],
        source["window_bp"],
        len(genes),
        len(leaking(genes, shared)),
        sum(gene.train_overlap_bp > 0 for gene in genes),
        sum(bool(gene.train_same_tss) for gene in genes),
        sum(gene.val_overlap_bp > 0 for gene in genes),
        sum(bool(gene.val_same_tss) for gene in genes),
        YES if known else word,
        sum(gene.trained_on_tss == YES for gene in genes) if known else None,
        float(np.mean([gene.trained_on_share for gene in genes])),
        sum(gene.similar > shared for gene in genes),
        sum(np.isnan(gene.similar) for gene in genes),
    )


def rescore(
    run: Mapping[str, str], test: Predictions, metrics: Mapping[str, Metric], leaks: set[str]
) -> Iterable[Rescored]:
    """The rows of a run (`run`, `source`), by its test genes' predictions: one for each metric."""
    kept = ~np.isin(test.gene_id.astype(str), sorted(leaks))
    for name, metric in metrics.items():
        whole = summaries.summarise(metric.score(test.predicted, test.observed))
        scored = metric.score(test.predicted[kept], test.observed[kept]) if kept.any() else np.empty(0)
        rest = summaries.summarise(scored)
        unit = UNITS[metric.declares["unit"]][2]
        counts = len(kept), int((~kept).sum())
        yield Rescored(run["run"], run["source"], name, unit, *counts, whole.mean, whole.n, rest.mean, rest.n)


def say(rows: Sequence[Summary], path: str | Path) -> None:
    """Say, on the console too, what was found of each source; `path` is the table that has it."""
    lines = []
    for row in rows:
        trained = {NONE: "no backbone"}.get(row.trained_on, "not known what its backbone was trained on")
        if row.trained_on_tss is not None:
            trained = f"backbone trained on {row.trained_on_tss:,}"
        lines.append(
            f"  {row.source}: {row.leaking:,} of {row.test_genes:,} leak ({row.train_overlap:,} overlap a training "
            f"gene's window, {row.train_same_tss:,} share its TSS, {row.similar:,} are like one); {row.val_overlap:,} "
            f"overlap a validation gene's; {trained}"
        )
    tell("\n".join([f"Test genes that leak from training ({path}, docs/leakage.md):", *lines]))


def said(figure: str, sources: Mapping[str, Source]) -> str:
    """One line on the sources of a figure: how many of their test genes leak.

    >>> row = Summary("mine", "chr8", "grch37", 2000, 1200, 4, 3, 0, 9, 0, NONE, None, np.nan, 1, 0)
    >>> said("fig1", {"mine": Source(row, {"G1", "G2", "G3", "G4"})})
    'fig1: test genes that leak from training: 4 of 1,200 of mine (docs/leakage.md)'
    """
    parts = (f"{row.leaking:,} of {row.test_genes:,} of {name}" for name, (row, _) in sources.items())
    return f"{figure}: test genes that leak from training: {', '.join(parts)} (docs/leakage.md)"


def write(
    table: str | Path, scores: str | Path, page: str | Path, rows: Sequence[Summary], rescored: Sequence[Rescored]
) -> None:
    """Write the table of sources, that of scores without leaking genes, and a page of both."""
    write_table(table, Summary._fields, rows)
    write_table(scores, Rescored._fields, rescored)
    compared = [(*row, row.mean_without - row.mean) for row in rescored]
    tables = (
        Table("Sources", Summary._fields, rows, dict.fromkeys((NONE, UNKNOWN), "faint"), _SOURCES),
        Table("Scores with and without leaking genes", (*Rescored._fields, "difference"), compared, text=[_SCORES]),
    )
    write_page(page, "Leakage", [_ABOUT], tables)
