"""Figures of scores as bars, grouped and coloured, in a panel for each metric."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chrom2expr.figures.figure import ScoreFigure
from chrom2expr.figures.rows import Bar

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class BarCharts(ScoreFigure):
    """Mean scores with their standard errors, the baselines as lines, and the values that the thesis states."""

    declares = {
        "api": 1,
        "takes": "scores",
        "schema": {
            "description": "The scores of the runs, as bars.",
            "advice": "Beside `NAME.tsv` lies `NAME.pairs.tsv`, which compares every two runs with the same test "
            "genes.",
            "properties": {
                "metrics": {
                    "type": "array",
                    "minItems": 1,
                    "uniqueItems": True,
                    "items": {"type": "string"},
                    "default": ["cross_gene", "cross_celltype"],
                    "description": "The metrics that are drawn, by their names in metrics; the table has all.",
                    "origin": "our choice",
                },
                "layout": {
                    "enum": ["above", "beside", "joined"],
                    "default": "above",
                    "description": "Panels above one another, beside one another, or all metrics in one panel.",
                    "origin": "our choice",
                    "advice": "`joined` needs runs of one series.",
                },
                "x_label": {
                    "type": "string",
                    "default": "Input of the model",
                    "description": "What the x-axis is called; {series} is the one series of a joined panel.",
                    "origin": "our choice",
                },
                "legend": {
                    "enum": ["series", "groups"],
                    "default": "series",
                    "description": "What colours tell apart; with groups, every bar has its own name below it.",
                    "origin": "our choice",
                },
            },
        },
    }

    def draw(self, rows: Sequence[Bar]) -> "Figure":
        from chrom2expr.figures import plots

        return plots.bar_charts(rows, **self.settings)
