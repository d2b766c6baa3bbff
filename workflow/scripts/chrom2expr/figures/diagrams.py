"""What the two diagrams are drawn from: the boxes of the strategy and the layers of a network."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

# The stages of the strategy, from left to right.
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
