"""The tables that the two diagrams are drawn from: the strategy (figure 2.1) and the network (figure 2.2)."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from chrom2expr.errors import InputError
from chrom2expr.tables import number, read_table, write_table

# The stages of the strategy, in the order in which they stand, left to right.
STAGES = ("sequence", "backbone", "tracks", "head", "expression")
MEASURED = "measured"


class Part(NamedTuple):
    """One box of the overview. `row` ties a backbone to its sequence and its tracks; it is empty elsewhere.

    A semicolon in `detail` is a line break.
    """

    figure: str
    stage: str
    row: str
    label: str
    detail: str


class Layer(NamedTuple):
    """One layer of the network and the size of its output, per gene; one bin after the bins are flattened.

    `formula` says what a layer made of several does to its input x; it is empty elsewhere.
    """

    figure: str
    layer: str
    channels: int
    bins: int
    formula: str = ""


def overview(figure: str, backbones: Sequence[Mapping[str, Any]], heads: Iterable[str], tissues: int) -> list[Part]:
    """The boxes of the strategy.

    Each backbone has a `label`, `sequence_length` in bp, `bin_size` in bp, the numbers of `bins` that heads are given,
    the kinds of `tracks` they are given (chromatin, cage, all), and how many of those are `predicted` (None: it
    predicts nothing here) and how many `measured`, a number for each source. `heads` are labels.
    """
    parts = []
    for backbone in backbones:
        row = backbone["label"]
        if backbone["predicted"] is not None:
            parts.append(Part(figure, "sequence", row, "DNA", f"{backbone['sequence_length']:,} bp"))
            parts.append(Part(figure, "backbone", row, row, f"{backbone['predicted']:,} tracks"))
        if backbone["measured"]:
            counts = " or ".join(f"{count:,}" for count in backbone["measured"])
            parts.append(Part(figure, MEASURED, row, "Experiments", f"{counts} tracks"))
        name = {("chromatin",): "Chromatin features", ("cage",): "CAGE features"}.get(tuple(backbone["tracks"]))
        bins = " or ".join(map(str, backbone["bins"]))
        parts.append(Part(figure, "tracks", row, name or "Features", f"{bins} bins of {backbone['bin_size']} bp"))
    parts += [Part(figure, "head", "", label, "") for label in heads]
    parts.append(Part(figure, "expression", "", "Gene expression", f"{tissues} cell types"))
    return parts


def write_parts(path: str | Path, parts: Sequence[Part]) -> None:
    """Write the table of the overview."""
    write_table(path, Part._fields, parts)


def read_parts(path: str | Path) -> list[Part]:
    """Read what `write_parts` wrote. Raises InputError for an unknown stage, or if there are no boxes."""
    parts = []
    for line, row in read_table(path, Part._fields):
        if row["stage"] not in (*STAGES, MEASURED):
            raise InputError(f"{path}, row {line}: {row['stage']!r} is no stage; tabulate the figure again.")
        parts.append(Part(*(row[name] for name in Part._fields)))
    if not parts:
        raise InputError(f"{path} holds no boxes; tabulate the figure again.")
    return parts


def write_layers(path: str | Path, layers: Sequence[Layer]) -> None:
    """Write the table of a network."""
    write_table(path, Layer._fields, layers)


def read_layers(path: str | Path) -> list[Layer]:
    """Read what `write_layers` wrote. Raises InputError naming the row that cannot be understood."""
    layers = [
        Layer(
            row["figure"],
            row["layer"],
            *(number(int, row[name], path, line) for name in ("channels", "bins")),
            row["formula"],
        )
        for line, row in read_table(path, Layer._fields)
    ]
    if not layers:
        raise InputError(f"{path} holds no layers; tabulate the figure again.")
    return layers
