"""A kind of figure: every run is a point in the plane of two metrics."""

import math

from chrom2expr.figures.figure import ScoreFigure


class ScorePlane(ScoreFigure):
    """One metric across, another up, with standard errors; the baseline is a line where it has no score across."""

    declares = {
        "api": 1,
        "takes": "scores",
        "schema": {
            "properties": {
                "across": {"type": "string", "default": "cross_gene", "description": "The metric of the x-axis."},
                "up": {"type": "string", "default": "cross_celltype", "description": "The metric of the y-axis."},
            },
        },
    }

    def draw(self, rows):
        from matplotlib.figure import Figure

        drawn = Figure(figsize=(5.5, 3.5), layout="constrained")
        axes = drawn.subplots()
        named = {axis: [row for row in rows if row.metric == self.settings[axis]] for axis in ("across", "up")}
        # The table has the same runs of every metric, in the same order.
        for across, up in zip(named["across"], named["up"], strict=True):
            label = f"{up.series}, {up.x}"
            if math.isnan(across.mean):
                axes.axhline(up.mean, color="grey", linestyle="--", label=label)
                continue
            colour = across.colour or None
            axes.errorbar(across.mean, up.mean, up.sem, across.sem, "o", color=colour, capsize=2, label=label)
        for axis, name in ((axes.xaxis, "across"), (axes.yaxis, "up")):
            axis.set_label_text(f"{named[name][0].quantity}, {named[name][0].panel}")
        drawn.legend(loc="outside right upper")
        return drawn
