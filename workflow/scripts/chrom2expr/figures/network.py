"""The figure of a convolutional network, layer by layer (figure 2.2)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chrom2expr.figures.diagrams import Layer
from chrom2expr.figures.figure import FigureKind, FittedRun

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Network(FigureKind):
    """The layers of one run's network as it was fitted, with the sizes of their outputs."""

    declares = {
        "api": 1,
        "takes": "models",
        "schema": {
            "description": "The network of one run whose head is of type `cnn`, as it was fitted.",
            "properties": {"runs": {"maxItems": 1, "description": "It shows the network of one run."}},
        },
        "run": {
            "properties": {
                "head": {"properties": {"type": {"const": "cnn", "description": "It shows a multi-tissue CNN."}}}
            }
        },
    }
    row = Layer

    def tabulate(self, given: Sequence[FittedRun]) -> list[Layer]:
        from chrom2expr.figures import architecture

        (run,) = given
        bins, tracks = run.head.metadata["network"]["shape"]
        return architecture.layers(self.figure, run.head.network, tracks, bins)

    def draw(self, rows: Sequence[Layer]) -> "Figure":
        from chrom2expr.figures import plots

        return plots.network(rows)
