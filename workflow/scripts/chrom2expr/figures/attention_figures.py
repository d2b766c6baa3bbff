"""Figures of what the TSS attends to, before and after fine-tuning (figures 3.6 and 3.7)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chrom2expr.figures import attention_tables
from chrom2expr.figures.attention_tables import AttendingModel, Point
from chrom2expr.figures.figure import AttentionFigure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class AttentionMap(AttentionFigure):
    """The mean attention that the TSS pays to every bin."""

    declares = {"api": 1, "takes": "attention", "schema": {}}

    def tabulate(self, given: Sequence[AttendingModel]) -> list[Point]:
        return attention_tables.map_points(self.figure, given)

    def draw(self, rows: Sequence[Point]) -> "Figure":
        from chrom2expr.figures import plots

        return plots.attention_map(rows)


class DistalAttention(AttentionFigure):
    """How many distal bins the TSS pays more attention than each of several thresholds."""

    declares = {
        "api": 1,
        "takes": "attention",
        "schema": {
            "properties": {
                "distal_bins": {
                    "type": "integer",
                    "minimum": 0,
                    "default": 50,
                    "description": "Bins further than this from the TSS are distal.",
                },
                "thresholds": {
                    "type": "array",
                    "minItems": 1,
                    "uniqueItems": True,
                    "items": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
                    "default": [0.002, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03],
                    "description": "Attention weights above which distal bins are counted.",
                },
            },
        },
    }

    def tabulate(self, given: Sequence[AttendingModel]) -> list[Point]:
        distal_bins, thresholds = self.settings["distal_bins"], self.settings["thresholds"]
        return attention_tables.distal_points(self.figure, given, distal_bins, thresholds)

    def draw(self, rows: Sequence[Point]) -> "Figure":
        from chrom2expr.figures import plots

        return plots.distal_attention(rows)
