"""The files of a run: written from a fitted head, or joined from those of jobs that each fitted some of the tissues."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chrom2expr.errors import InputError
from chrom2expr.evaluation import metrics
from chrom2expr.evaluation.predictions import Predictions, read_predictions, write_predictions
from chrom2expr.files.tables import read_lines, write_lines, write_table
from chrom2expr.files.whole import read_json, write_json
from chrom2expr.genome.features import look_for_broken
from chrom2expr.heads.head import Head
from chrom2expr.heads.tasks import Task


def write_run(
    task: Task,
    head: Head,
    model: Path,
    grid: Path,
    predictions: Path,
    summary: Path,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Write a fitted head's files; the predictions are those of the validation and test genes.

    `check` is called when all is computed, before the first is written. Raises InputError, and writes nothing, where a
    prediction is not a finite number.
    """
    data = task.data
    predicted = {split: head.predict(data.splits[split].features) for split in ("val", "test")}
    for split, values in predicted.items():
        if len(broken := np.flatnonzero(~np.isfinite(values).all(axis=1))):
            look_for_broken(data.splits[split].features, broken, task.batch_size)
            raise InputError(
                f"the predictions of {len(broken)} genes are not finite numbers, the first is "
                f"{data.gene_id[split][broken[0]]}, although their features are: check these for huge values"
            )
    check()
    head.save(model)
    _write_grid(grid, head.table)
    made = Predictions(
        predicted=np.concatenate(list(predicted.values())),
        observed=np.concatenate([data.splits[split].observed for split in predicted]),
        gene_id=np.concatenate([data.gene_id[split] for split in predicted]),
        tissue=data.tissue,
        split=np.concatenate([np.full(len(values), split, dtype=object) for split, values in predicted.items()]),
    )
    write_predictions(predictions, made)
    write_summary(summary, _summary(task, head, predicted["val"]))


def _write_grid(path: Path, table: Sequence[Mapping[str, Any]]) -> None:
    """grid.tsv: a row for each point; empty where a point has no value."""
    # All their digits.
    rows = ([repr(cell) if type(cell) is float else cell for cell in row.values()] for row in table)
    write_table(path, list(table[0]), rows)


def scores(predicted: np.ndarray, observed: np.ndarray) -> dict[str, dict[str, float | None]]:
    """Mean, SEM and counts of both tasks' correlations, (gene, tissue) both; what is undefined is None, as in JSON."""
    summaries = {
        name: metrics.summarise(metric(predicted, observed))._asdict()
        for name, metric in (("cross_gene", metrics.cross_gene), ("cross_celltype", metrics.cross_celltype))
    }
    return {
        name: {key: None if math.isnan(value) else value for key, value in summary.items()}
        for name, summary in summaries.items()
    }


def write_summary(path: Path, summary: Mapping[str, Any]) -> None:
    """summary.json."""
    write_json(path, summary, indent=2)


def _summary(task: Task, head: Head, predicted: np.ndarray) -> dict[str, Any]:
    """The points chosen, what they were fitted to, what was missing, and the scores of the validation genes."""
    pseudocount = task.data.pseudocount
    return {
        "head": task.type,
        "inputs": dict(task.data.inputs),
        "sequence_model": dict(task.data.sequence_model),
        "unit": task.data.unit,
        "pseudocount": pseudocount.tolist() if isinstance(pseudocount, np.ndarray) else pseudocount,
        "loss": dict(task.loss.section),
        "device": task.device.type,
        "precision": head.precision,
        "tracks": len(task.data.track_id),
        "tissues": len(task.data.tissue),
        "genes": {
            name: {
                "all": len(split.observed),
                "with_expression": len(split.usable),
                "missing_values": int(np.isnan(split.observed).sum()),
            }
            for name, split in task.data.splits.items()
        },
        "chosen": [row for row in head.table if row["chosen"] == "yes"],
        "diverged": sum(row.get("status") == "diverged" for row in head.table),
        "validation": scores(predicted, task.data.splits["val"].observed),
    }


def join_grids(parts: Sequence[Path], output: Path) -> None:
    """Write one grid.tsv with the rows of several."""
    header, *rows = read_lines(parts[0]).splitlines(keepends=True)
    for path in parts[1:]:
        other, *more = read_lines(path).splitlines(keepends=True)
        if other != header:
            raise InputError(f"{path}: other columns than {parts[0]}; delete both and run again")
        rows += more
    write_lines(output, header + "".join(rows))


def join_predictions(parts: Sequence[Path], output: Path) -> None:
    """Write one predictions.h5 with the tissues of several. Raises InputError unless they are of the same genes."""
    found = [read_predictions(path) for path in parts]
    for path, part in zip(parts, found, strict=True):
        if any(not np.array_equal(getattr(part, name), getattr(found[0], name)) for name in ("gene_id", "split")):
            raise InputError(f"{path}: other genes than {parts[0]}; delete both and run again")
    joined = {
        name: np.concatenate([getattr(part, name) for part in found], axis=-1)
        for name in ("predicted", "observed", "tissue")
    }
    write_predictions(output, found[0]._replace(**joined))


def join_summaries(parts: Sequence[Path], predictions: Path, output: Path) -> None:
    """Write one summary.json of several; the validation scores are those of the joined `predictions`."""
    summaries = [read_json(path) for path in parts]
    validation = read_predictions(predictions).of("val")
    genes = {
        split: {
            **counts,
            "missing_values": sum(summary["genes"][split]["missing_values"] for summary in summaries),
        }
        for split, counts in summaries[0]["genes"].items()
    }
    pseudocounts = [summary["pseudocount"] for summary in summaries]
    joined = {
        **summaries[0],
        "pseudocount": sum(pseudocounts, []) if isinstance(pseudocounts[0], list) else pseudocounts[0],
        "tissues": sum(summary["tissues"] for summary in summaries),
        "genes": genes,
        "chosen": [row for summary in summaries for row in summary["chosen"]],
        "diverged": sum(summary["diverged"] for summary in summaries),
        "validation": scores(validation.predicted, validation.observed),
    }
    write_summary(output, joined)
