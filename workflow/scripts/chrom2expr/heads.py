"""What all heads have in common: the data they are fitted to, the interface they offer, the files they leave behind.

A head is a room that exports `fit(task: Task) -> Fitted`; the config names it by `heads: NAME: room`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from chrom2expr import metrics, reduced, training
from chrom2expr.errors import InputError
from chrom2expr.expression import read_split_targets
from chrom2expr.files import write_json
from chrom2expr.genes import SPLITS
from chrom2expr.predictions import Predictions, write_predictions
from chrom2expr.reader import FeatureStore, Selection
from chrom2expr.tables import write_table
from chrom2expr.training import Split


@dataclass(frozen=True)
class Data:
    """One source's features and the expression of its genes, by split.

    `splits` and `gene_id` have the keys train, val and test; `inputs` says which features these are (the store's
    source, the set of tracks, the orientation, how many bins), so that a saved model can name what it wants.
    """

    splits: Mapping[str, Split]
    gene_id: Mapping[str, np.ndarray]
    tissue: np.ndarray
    track_id: np.ndarray
    inputs: Mapping[str, str | int]


@dataclass(frozen=True)
class Task:
    """Everything that decides a fit: the data and the head's section of the config, with the loss's weights."""

    data: Data
    loss: Mapping[str, float]
    settings: Mapping[str, Any]
    grid: Mapping[str, Sequence[float]]
    batch_size: int
    max_epochs: int
    patience: int
    select_by: str
    seed: int
    device: torch.device

    @classmethod
    def of(cls, data: Data, params: Any, device: torch.device) -> "Task":
        """The task of a job, from the params of its rule, which have the fields' names."""
        names = {field.name for field in fields(cls)} - {"data", "device"}
        return cls(data=data, device=device, **{name: getattr(params, name) for name in names})


class Fitted(Protocol):
    """A fitted head."""

    table: list[dict[str, Any]]  # the rows of grid.tsv, one a point tried, with `chosen` yes or no

    def predict(self, features: Selection) -> np.ndarray:
        """(gene, tissue) float32, in the units of the targets, in the order of `features`."""

    def save(self, path: Path) -> None:
        """Write all that predicting takes into one file, whole or not at all (see tensors)."""


def read_data(
    features: Path,
    genes: Path,
    expression: Path,
    backbone: str,
    tracks: str,
    orientation: str,
    bins: int | None = None,
) -> Data:
    """Open a feature store, or a file reduced from one, and the targets, split by `split_<backbone>` of genes.tsv.

    `bins` asks for so many in the middle, None for all. Raises InputError when the files disagree about the genes, when
    a split is empty, and when the store lacks genes, the kind of tracks, or bins that can be the middle.
    """
    store = reduced.ReducedStore(features) if reduced.is_reduced(features) else FeatureStore(features)
    source = str(store.provenance.get("source", ""))
    inputs = {"source": source, "tracks": tracks, "orientation": orientation, "bins": bins or store.bins}
    return split_data(
        genes,
        expression,
        backbone,
        lambda gene_ids: store.select(gene_ids, tracks, orientation, bins),
        store.track_id[store.kind(tracks)],
        inputs,
    )


def split_data(
    genes: Path,
    expression: Path,
    backbone: str,
    select: Callable[[np.ndarray], Selection],
    track_id: np.ndarray,
    inputs: Mapping[str, str | int],
) -> Data:
    """The features that `select` gives for the genes of each split, with the targets; see `read_data`."""
    targets, split = read_split_targets(expression, genes, backbone)
    ids = {name: targets.gene_id[split == name] for name in SPLITS}
    splits = {name: Split(select(ids[name]), targets.log_rpkm[split == name]) for name in SPLITS}
    return Data(splits, ids, targets.tissue, track_id, inputs)


def of_tissues(data: Data, part: int, parts: int) -> Data:
    """The same genes and features with one of `parts` runs of tissues, equally long to within one; `part` is 0-based.

    Raises InputError when there are fewer tissues than parts.
    """
    if parts > len(data.tissue):
        raise InputError(
            f"{len(data.tissue)} tissues cannot be dealt out to {parts} jobs: lower heads: NAME: settings: jobs"
        )
    columns = np.array_split(np.arange(len(data.tissue)), parts)[part]
    splits = {
        name: Split(split.features, split.observed[:, columns], split.usable) for name, split in data.splits.items()
    }
    return replace(data, splits=splits, tissue=data.tissue[columns])


def check_tissues(data: Data, train: int = 2, val: int = 2) -> None:
    """Raise InputError when a tissue has fewer training or validation genes than this, by default for its own model."""
    for split, name, least in (("train", "training", train), ("val", "validation", val)):
        genes = (~np.isnan(data.splits[split].observed)).sum(axis=0)
        if few := np.flatnonzero(genes < least).tolist():
            raise InputError(
                f"tissue {data.tissue[few[0]]} has {genes[few[0]]} {name} genes with a value ({len(few)} of "
                f"{len(genes)} tissues have fewer than {least}): leave it out of the expression matrix"
            )


def write_run(
    task: Task,
    fitted: Fitted,
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
    predicted = {split: fitted.predict(data.splits[split].features) for split in ("val", "test")}
    for split, values in predicted.items():
        if len(broken := np.flatnonzero(~np.isfinite(values).all(axis=1))):
            training.look_for_broken(data.splits[split].features, broken, task.batch_size)
            raise InputError(
                f"the predictions of {len(broken)} genes are not finite numbers, the first is "
                f"{data.gene_id[split][broken[0]]}, although their features are: check these for huge values"
            )
    check()
    fitted.save(model)
    _write_grid(grid, fitted.table)
    made = Predictions(
        predicted=np.concatenate(list(predicted.values())),
        observed=np.concatenate([data.splits[split].observed for split in predicted]),
        gene_id=np.concatenate([data.gene_id[split] for split in predicted]),
        tissue=data.tissue,
        split=np.concatenate([np.full(len(values), split, dtype=object) for split, values in predicted.items()]),
    )
    write_predictions(predictions, made)
    write_summary(summary, _summary(task, fitted.table, predicted["val"]))


def _write_grid(path: Path, table: Sequence[Mapping[str, Any]]) -> None:
    """grid.tsv: a row a point; empty where a point has no value."""
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


def described(data: Data) -> dict[str, Any]:
    """What a saved model says of the data it was fitted to: track_id and tissue (names in order), inputs (see Data)."""
    return {
        "track_id": [str(name) for name in data.track_id],
        "tissue": [str(name) for name in data.tissue],
        "inputs": dict(data.inputs),
    }


def _summary(task: Task, table: Sequence[Mapping[str, Any]], predicted: np.ndarray) -> dict[str, Any]:
    """The points chosen, what they were fitted to, what was missing, and the scores of the validation genes."""
    return {
        "inputs": dict(task.data.inputs),
        "loss": dict(task.loss),
        "device": task.device.type,
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
        "chosen": [row for row in table if row["chosen"] == "yes"],
        "diverged": sum(row.get("status") == "diverged" for row in table),
        "validation": scores(predicted, task.data.splits["val"].observed),
    }
