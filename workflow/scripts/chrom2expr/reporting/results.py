"""The pages of results: scores and comparisons of figures, grids of runs, and the genes that were dropped."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chrom2expr.files.pages import Table, write_page
from chrom2expr.files.tables import read_table

# Of a longer table the page shows the first rows.
_MOST_ROWS = 5_000
_SCORES = ("figure", "panel", "series", "x", "mean", "sem", "ci_low", "ci_high", "n", "undefined", "thesis")
_LEAKAGE = ("leaking", "mean_without", "run")
_PAIRS = ("figure", "panel", "series_a", "x_a", "series_b", "x_b")
_COMPARED = ("difference", "ci_low", "ci_high", "p_wilcoxon", "n", "undefined")
_MEANS = ("epochs", "epoch", "validation_loss", "validation_cross_gene")


def write_scores(path: str | Path, tables: Sequence[str | Path], pairs: Sequence[str | Path]) -> None:
    """Write the page of the scores in these figures' tables, and of the comparisons in their tables of pairs."""
    scores = [row for table in tables for row in _rows(table, (*_SCORES, *_LEAKAGE))]
    compared = [row for table in pairs for row in _rows(table, (*_PAIRS, *_COMPARED))]
    about = (
        "mean and sem are over n tissues (cross-gene) or test genes (cross-celltype); ci_low and ci_high are the 95 % "
        "bootstrap interval of the mean over test genes; undefined scores are left out. leaking: test genes that a "
        "training gene overlaps or resembles (docs/leakage.md); mean_without: the mean without these. The series "
        "Training mean is the baseline, which predicts the training genes' mean in each tissue."
    )
    beside = (
        "Run a minus run b, with the interval of their difference in the same bootstrap resamples, and the p-value of "
        "Wilcoxon's signed-rank test, which is not corrected for the number of comparisons."
    )
    tables_of_page = [
        Table("Scores", (*_SCORES, *_LEAKAGE), scores, text=[about]),
        Table("Runs in pairs", (*_PAIRS, *_COMPARED), compared, text=[beside]),
    ]
    write_page(path, "Scores", ["Click a column's name to sort by it."], tables_of_page)


def write_grids(path: str | Path, runs: Sequence[tuple[str, Sequence[str]]], tables: Sequence[str | Path]) -> None:
    """Write the page of the points that runs tried, a row for each; `tables`: their grid.tsv.

    Of a run there are its folder and the keys of its grid, which are columns of its table. Of heads with a model for
    each tissue, numbers are means over these.
    """
    points = [point for run, table in zip(runs, tables, strict=True) for point in _points(*run, table)]
    settings = list(dict.fromkeys(key for _, keys in runs for key in keys))
    rows = [[run, *(point.get(name) for name in settings), *numbers] for run, point, numbers in points]
    header = ("run", *settings, "models", "chosen", "diverged", *_MEANS)
    about = (
        "Each row is a point of a run's grid. models: one, or one for each tissue; chosen: how many of them kept this "
        "point; diverged: how many ended without a finite loss. epochs: how many were trained; epoch: the best. All "
        "numbers after that are of the validation genes. Where a run has several models, numbers are their means."
    )
    write_page(
        path, "Grid search", ["Click a column's name to sort by it."], [Table("Grids", header, rows, text=[about])]
    )


def write_dropped(path: str | Path, table: str | Path) -> None:
    """Write the page of the genes that take no part, and why; `table` is dropped.tsv."""
    columns = ("gene_id", "symbol", "gene_type", "line", "reason")
    rows = list(_rows(table, columns))
    reasons = Counter(row[-1] for row in rows)
    more = [f"The first {_MOST_ROWS:,} of them; all are in {Path(table).name}."] if len(rows) > _MOST_ROWS else []
    about = f"{len(rows):,} genes of the gene table take no part. line: where the gene stands in that table."
    counted = Table("Reasons", ("reason", "genes"), reasons.most_common())
    write_page(path, "Dropped genes", [about], [counted, Table("Genes", columns, rows[:_MOST_ROWS], text=more)])


def _points(run: str, keys: Sequence[str], table: str | Path) -> Iterator[tuple[str, dict[str, Any], list[float]]]:
    """The run, the settings and the numbers of each point in a run's grid.tsv."""
    found: dict[tuple[str, ...], list[Mapping[str, str]]] = {}
    for _, row in read_table(table, (*keys, "chosen")):
        found.setdefault(tuple(row[key] for key in keys), []).append(row)
    for point, rows in found.items():
        counts = [sum(row["chosen"] == "yes" for row in rows), sum(row.get("status") == "diverged" for row in rows)]
        means = [_mean([float(row[name]) for row in rows if row.get(name)]) for name in _MEANS]
        yield run, dict(zip(keys, map(_value, point), strict=True)), [len(rows), *counts, *means]


def _rows(table: str | Path, columns: Sequence[str]) -> Iterator[list[Any]]:
    """The cells of these columns, numbers as numbers; a column that a table lacks is empty."""
    for _, row in read_table(table, columns[:1]):
        yield [_value(row.get(name) or "") for name in columns]


def _value(cell: str) -> Any:
    try:
        return float(cell) if cell else None
    except ValueError:
        return cell


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
