"""The tables of figures of attention: its mean at every bin, or the number of distal bins that have much of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from chrom2expr.backbones.attention import Attention, read_attention
from chrom2expr.errors import InputError
from chrom2expr.evaluation import metrics
from chrom2expr.evaluation.distal import distal_rows
from chrom2expr.figures.rows import Point

MAP, DISTAL = "attention map", "distal bins"


class AttendingModel(NamedTuple):
    """A model of a figure of attention: its label, its folder in models/, its colour, and its attention.

    The folder is empty for a base model, the colour for a model without one of its own.
    """

    series: str
    run: str
    colour: str
    attention: Attention


def read_models(figure: str, models: Sequence[Mapping[str, str]], files: Sequence[str | Path]) -> list[AttendingModel]:
    """The models of a figure, each with a label `series`, a folder `run`, a `colour`, and one of the `files`.

    Raises InputError if two share a label, or files hold other genes or bins.
    """
    labels = [model["series"] for model in models]
    for label in labels:
        if labels.count(label) > 1:
            raise InputError(f"{figure} has two models named {label}; give one another label.")
    found = [read_attention(path) for path in files]
    for path, one in zip(files, found, strict=True):
        if not np.array_equal(one.gene_id, found[0].gene_id) or one.query_bin != found[0].query_bin:
            raise InputError(f"{path} and {files[0]} are about different genes or bins; {figure} cannot compare them.")
    return [
        AttendingModel(model["series"], model["run"], model["colour"], own)
        for model, own in zip(models, found, strict=True)
    ]


def map_points(figure: str, models: Sequence[AttendingModel]) -> list[Point]:
    """The mean attention of every bin, model by model; `x` is the bin's place relative to the TSS's."""
    return [
        _point(figure, MAP, model, place - model.attention.query_bin, model.attention.attention[:, place])
        for model in models
        for place in range(model.attention.attention.shape[1])
    ]


def distal_points(
    figure: str, models: Sequence[AttendingModel], distal_bins: int, thresholds: Sequence[float]
) -> list[Point]:
    """How many bins more than `distal_bins` from the TSS's have more attention than each threshold.

    Raises InputError if no bin is so far away.
    """
    points = []
    for model in models:
        found = model.attention
        distal = distal_rows(found, distal_bins)
        if not distal.size:
            raise InputError(
                f"figures.{figure}.distal_bins is {distal_bins}, but no bin is further than {found.query_bin} from the "
                "TSS; make it smaller."
            )
        points += [
            _point(figure, DISTAL, model, threshold, (distal > threshold).sum(axis=1)) for threshold in thresholds
        ]
    return points


def _point(figure: str, panel: str, model: AttendingModel, x: float, values: np.ndarray) -> Point:
    return Point(figure, panel, model.series, x, *metrics.summarise(values), np.nan, model.run, model.colour)
