"""Figures of what the TSS attends to, before and after fine-tuning (figures 3.6 and 3.7)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chrom2expr.figures.figure import AttentionFigure
from chrom2expr.figures.rows import Point

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from chrom2expr.figures.attention_tables import AttendingModel


class AttentionMap(AttentionFigure):
    """The mean attention that the TSS pays to every bin."""

    declares = {
        "api": 1,
        "takes": "attention",
        "schema": {
            "description": "The attention of the TSS to every bin, in fine-tuned backbones and before.",
            "advice": "The runs share one window and one split.",
        },
    }

    def tabulate(self, given: Sequence["AttendingModel"]) -> list[Point]:
        from chrom2expr.figures import attention_tables

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
            "description": "Of the runs of an attention map, how many distal bins the TSS attends to.",
            "properties": {
                "distal_bins": {
                    "type": "integer",
                    "minimum": 0,
                    "default": 50,
                    "description": "Bins further than this from the TSS are distal.",
                    "origin": "thesis",
                    "advice": "Fewer than the window has on a side of the TSS.",
                },
                "thresholds": {
                    "type": "array",
                    "minItems": 1,
                    "uniqueItems": True,
                    "items": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
                    "default": [0.002, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03],
                    "description": "Attention weights above which distal bins are counted.",
                    "origin": "thesis",
                    "advice": "The thesis has thresholds from 0.002 to 0.03.",
                },
            },
        },
    }

    def tabulate(self, given: Sequence["AttendingModel"]) -> list[Point]:
        from chrom2expr.figures import attention_tables

        distal_bins, thresholds = self.settings["distal_bins"], self.settings["thresholds"]
        return attention_tables.distal_points(self.figure, given, distal_bins, thresholds)

    def draw(self, rows: Sequence[Point]) -> "Figure":
        from chrom2expr.figures import plots

        return plots.distal_attention(rows)
