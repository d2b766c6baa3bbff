"""The figure of the strategy: which sources and heads lead from sequence to expression (figure 2.1)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chrom2expr.figures.diagrams import MEASURED, STAGES, Part
from chrom2expr.figures.figure import FigureKind, Sources

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Overview(FigureKind):
    """The backbones, experiments, tracks and heads of the runs, as boxes."""

    declares = {
        "api": 1,
        "takes": "sources",
        "schema": {
            "description": "The strategy: the sources of tracks and the heads of the runs.",
            "advice": "It counts measured tracks in their stores, and so needs them.",
        },
        "run": {
            "properties": {
                "inputs": {
                    "properties": {
                        "tracks": {"not": {"const": "embedding"}, "description": "An overview shows sources of tracks."}
                    }
                }
            }
        },
    }
    row = Part

    def tabulate(self, given: Sources) -> list[Part]:
        from chrom2expr.figures import diagrams

        return diagrams.overview(self.figure, *given)

    def wrong(self, row: Part) -> str:
        return "" if row.stage in (*STAGES, MEASURED) else f"{row.stage!r} is not a stage"

    def draw(self, rows: Sequence[Part]) -> "Figure":
        from chrom2expr.figures import plots

        return plots.overview(rows)
