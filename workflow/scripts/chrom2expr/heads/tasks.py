"""What a head is fitted to: the features and targets of each split, and all that decides the fit."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from chrom2expr.errors import InputError
from chrom2expr.genome.features import Features
from chrom2expr.genome.splits import SPLITS
from chrom2expr.genome.targets import read_split_targets
from chrom2expr.losses import loss as losses
from chrom2expr.losses.loss import Loss
from chrom2expr.tracks import reduced_features
from chrom2expr.tracks.store_reader import FeatureStore

# What of a store's provenance tells sequences and weights from others.
SEQUENCE_PROVENANCE = ("assembly", "genome_sha256", "weights_sha256", "device", "precision", "software")


@dataclass(frozen=True)
class Split:
    """The genes of one split: their features, row by row, and what was observed of them.

    `observed` is (gene, tissue) float32, ln(RPKM + pseudocount), NaN where missing; it is all that is held in memory.
    `usable` are the rows, ascending, of the genes with a value in any tissue of the run, whichever of them these are;
    left out, these are all there are.
    """

    features: Features
    observed: np.ndarray
    usable: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.usable is None:
            object.__setattr__(self, "usable", np.flatnonzero(~np.isnan(self.observed).all(axis=1)))


@dataclass(frozen=True)
class Data:
    """One source's features and the expression of its genes, by split.

    `splits` and `gene_id` have the keys train, val and test; `inputs` says which features these are (the store's
    source, the set of tracks, the orientation, how many bins), so that a saved model can name what it wants.
    `pseudocount` is one number, or one a tissue (tissue,), in `unit`, the expression's.
    `sequence_model` says where features of new sequences would come from, as JSON has it (see `_sequence_model`); empty
    where they are sequences, or measured.
    """

    splits: Mapping[str, Split]
    gene_id: Mapping[str, np.ndarray]
    tissue: np.ndarray
    track_id: np.ndarray
    inputs: Mapping[str, str | int]
    pseudocount: float | np.ndarray
    unit: str = ""
    sequence_model: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """Everything that decides a fit: the data, the loss, prepared, and the head's section of the config.

    `models` is the list of fitted models of a head that reads such (see expecto_models), None for others.
    """

    data: Data
    loss: Loss
    settings: Mapping[str, Any]
    grid: Mapping[str, Sequence[float]]
    batch_size: int
    max_epochs: int
    patience: int
    select_by: str
    seed: int
    device: torch.device
    devices: int = 1
    type: str = ""
    models: Path | None = None

    @classmethod
    def of(cls, data: Data, params: Any, device: torch.device, models: Path | None = None) -> "Task":
        """The task of a job, from the params of its rule, which have the fields' names; the loss is prepared."""
        loss = losses.build(params.loss)
        loss.prepare(data.splits["train"].observed, data.pseudocount, data.tissue)
        names = {each.name for each in fields(cls)} - {"data", "loss", "device", "models"}
        given = {name: getattr(params, name) for name in names if hasattr(params, name)}
        return cls(data=data, loss=loss, device=device, models=models, **given)


def read_data(
    features: Path,
    split: Path,
    expression: Path,
    tracks: str,
    orientation: str,
    bins: int | None = None,
    kind: str = "store",
) -> Data:
    """Open a feature store, or a file reduced from one, and the targets, split by the file `split`.

    `bins` asks for so many in the middle, None for all; `kind` is "store", or the reduction of the file. Raises
    InputError when the files disagree about the genes, when a split is empty, and when the store lacks genes, the kind
    of tracks, or bins that can be the middle.
    """
    store = FeatureStore(features) if kind == "store" else reduced_features.ReducedFeatureStore(features, kind)
    source = str(store.provenance.get("source", ""))
    inputs = {"source": source, "tracks": tracks, "orientation": orientation, "bins": bins or store.bins}
    data = split_data(
        split,
        expression,
        lambda gene_ids: store.select(gene_ids, tracks, orientation, bins),
        store.track_id[store.kind(tracks)],
        inputs,
    )
    return replace(data, sequence_model=_sequence_model(store, kind, tracks))


def _sequence_model(
    store: FeatureStore | reduced_features.ReducedFeatureStore, features: str, tracks: str
) -> dict[str, Any]:
    """What a backbone, and a reduction of what it says, would have to do for a head to read new sequences.

    backbone: see inference.described; features: "store" or a reduction; reduced_from: "tracks" of the store, or means
    that it kept; columns: those of the store's tracks that are taken, as [start, stop] pairs; and what of the store's
    provenance tells sequences and weights from others. Empty for a store that no backbone made.
    """
    found = dict(store.provenance)
    if "backbone" not in found:
        return {}
    columns = store.columns(tracks)
    starts = np.flatnonzero(np.diff(columns, prepend=-2) != 1)
    stops = [*starts[1:], len(columns)]
    return {key: found[key] for key in SEQUENCE_PROVENANCE if key in found} | {
        "backbone": json.loads(found["backbone"]),
        "weights": json.loads(found["weights"]),
        "features": features,
        "reduced_from": found.get("reduced_from", "tracks"),
        "columns": [
            [int(columns[start]), int(columns[stop - 1]) + 1] for start, stop in zip(starts, stops, strict=True)
        ],
    }


def split_data(
    split: Path,
    expression: Path,
    select: Callable[[np.ndarray], Features],
    track_id: np.ndarray,
    inputs: Mapping[str, str | int],
) -> Data:
    """The features that `select` gives for the genes of each split, with the targets; see `read_data`."""
    targets, parts = read_split_targets(expression, split)
    ids = {name: targets.gene_id[parts == name] for name in SPLITS}
    splits = {name: Split(select(ids[name]), targets.log_expression[parts == name]) for name in SPLITS}
    return Data(splits, ids, targets.tissue, track_id, inputs, targets.pseudocount, targets.unit)


def of_tissues(data: Data, job: int, jobs: int) -> Data:
    """The same genes and features with the tissues of one of `jobs` jobs, equally long to within one; `job` is 0-based.

    Raises InputError when there are fewer tissues than jobs.
    """
    if jobs > len(data.tissue):
        raise InputError(f"{len(data.tissue)} tissues cannot be dealt out to {jobs} jobs: lower heads: NAME: jobs")
    columns = np.array_split(np.arange(len(data.tissue)), jobs)[job]
    splits = {
        name: Split(split.features, split.observed[:, columns], split.usable) for name, split in data.splits.items()
    }
    pseudocount = data.pseudocount[columns] if np.ndim(data.pseudocount) else data.pseudocount
    return replace(data, splits=splits, tissue=data.tissue[columns], pseudocount=pseudocount)


def check_tissues(data: Data, train: int = 2, val: int = 2) -> None:
    """Raise InputError when a tissue has fewer training or validation genes than this, by default for its own model."""
    for split, name, least in (("train", "training", train), ("val", "validation", val)):
        genes = (~np.isnan(data.splits[split].observed)).sum(axis=0)
        if few := np.flatnonzero(genes < least).tolist():
            raise InputError(
                f"tissue {data.tissue[few[0]]} has {genes[few[0]]} {name} genes with a value ({len(few)} of "
                f"{len(genes)} tissues have fewer than {least}): leave it out of the expression matrix"
            )


def described(task: Task) -> dict[str, Any]:
    """What a saved model says of the data and the loss that it was fitted with.

    track_id and tissue: names in order; inputs: see Data; loss: its section of the config, and its state.
    """
    return {
        "track_id": [str(name) for name in task.data.track_id],
        "tissue": [str(name) for name in task.data.tissue],
        "inputs": dict(task.data.inputs),
        "loss": {"section": dict(task.loss.section), "state": task.loss.state()},
    }
