"""How much the TSS of a gene attends to the bins around it: rows of attention, and the tables of its figures.

Rows of attention are (gene, bin) float32, in gene orientation: upstream first on both strands. The number of bins is odd
and the TSS lies in the middle one, so that turning a gene round leaves it there.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from chrom2expr.errors import InputError
from chrom2expr.evaluation import metrics
from chrom2expr.files.hdf5 import CheckedFile, create_file
from chrom2expr.files.whole import Format
from chrom2expr.genome.windows import Geometry, turned
from chrom2expr.job import Progress

FORMAT = Format("chrom2expr attention", 1)
MAP, DISTAL = "attention map", "distal bins"


class Sequences(Protocol):
    """Sequence codes of genes (see codes.Sequences)."""

    gene_id: np.ndarray
    strand: np.ndarray  # in the assembly of the sequences

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Codes (len(rows), base) uint8, on the forward strand."""


class Attention(NamedTuple):
    """Rows of attention (gene, bin) float32, whose genes they are, and the bin that attends."""

    attention: np.ndarray
    gene_id: np.ndarray
    query_bin: int


class Point(NamedTuple):
    """One row of a figure's table. `x` is a bin relative to the TSS (a map) or a threshold (distal attention).

    `mean` and `sem` are over the `n` test genes: of the attention that the TSS pays to the bin, or of the number of
    distal bins to which it pays more than the threshold. The thesis states no numbers: `thesis` is NaN. `run` is the
    model's folder in models/, empty for a base model; `colour` its own colour, empty if it has none.
    """

    figure: str
    panel: str
    series: str
    x: float
    mean: float
    sem: float
    n: int
    undefined: int
    thesis: float
    run: str
    colour: str


def tss_bin(geometry: Geometry) -> int:
    """The index of the TSS's bin among all of a sequence's. Raises InputError where it is not the middle one."""
    bins, remainder = divmod(geometry.sequence_length, geometry.bin_size)
    if remainder or bins % 2 == 0:
        raise InputError(
            f"geometry: {geometry.sequence_length:,} bp are {geometry.sequence_length / geometry.bin_size:g} bins of "
            f"{geometry.bin_size} bp; attention of the TSS needs an odd number of whole bins, so that the TSS lies in "
            "the middle one on both strands (sources: NAME: geometry: sequence_length)"
        )
    return bins // 2


def attend_genes(
    attend: Callable[[np.ndarray], np.ndarray],
    sequences: Sequences,
    geometry: Geometry,
    output: str | Path,
) -> None:
    """Write the rows of attention of `sequences`, one gene at a time: `attention`, `gene_id`, `query_bin`, `bin_size`.

    `attend` gives the rows (batch, bin) of codes (batch, base), bins in genomic order. Raises InputError if a row is not
    made of numbers, naming the gene; nothing is written.
    """
    query, turn = tss_bin(geometry), turned(sequences.strand, "gene")
    genes = len(sequences.gene_id)
    progress = Progress(genes, "genes")
    attributes = {"query_bin": query, "bin_size": geometry.bin_size, "orientation": "gene"}
    with create_file(output, FORMAT, attributes) as file:
        file.create("attention", (genes, 2 * query + 1), np.float32)
        file.write("gene_id", sequences.gene_id)
        for gene, name in enumerate(sequences.gene_id):
            (row,) = attend(sequences.read(np.array([gene])))
            if not np.isfinite(row).all():
                raise InputError(f"the attention of gene {name} is not a number; look at the model's weights.")
            file.put("attention", gene, (row[::-1] if turn[gene] else row)[None])
            progress.advance(1)


def read_attention(path: str | Path) -> Attention:
    """Read what `attend_genes` wrote. Raises InputError if the file is damaged."""
    with CheckedFile(path, FORMAT) as file:
        return Attention(file.read("attention"), file.read("gene_id"), int(file.attributes["query_bin"]))


class AttendingModel(NamedTuple):
    """A model of a figure of attention: its label, its folder in models/, its colour, and its attention.

    The folder is empty for a base model, the colour for a model without one of its own.
    """

    series: str
    run: str
    colour: str
    attention: Attention


def read_models(
    figure: str, models: Sequence[Mapping[str, str]], files: Sequence[str | Path]
) -> list[AttendingModel]:
    """The models of a figure, each with a label `series`, a folder `run`, a `colour`, and a file at its place in `files`.

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
        distance = np.abs(np.arange(found.attention.shape[1]) - found.query_bin)
        distal = found.attention[:, distance > distal_bins]
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
