"""Figures of the effects of variants on expression."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from chrom2expr.figures.figure import FigureKind
from chrom2expr.figures.rows import AGREEMENT, EFFECT_PANELS, EffectPoint

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from chrom2expr.figures.variant_tables import ScoredVariants


class VariantEffects(FigureKind):
    """The effects of variants by their distance from the TSS, and of the strongest in every tissue."""

    declares = {
        "api": 1,
        "takes": "variants",
        "schema": {
            "description": "The effects of variants by distance from the TSS and by tissue, and beside true effects.",
            "advice": "A panel beside true effects is there where the section of the variants names a table of them.",
            "required": ["variants"],
            "properties": {
                "variants": {
                    "type": "string",
                    "description": "The entry of the section variants whose effects are shown.",
                    "origin": "our choice",
                },
                "top": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": 200,
                    "default": 40,
                    "description": "Variants in the heat map, those with the strongest effects.",
                    "origin": "our choice",
                },
            },
        },
    }
    row = EffectPoint

    def tabulate(self, given: Sequence["ScoredVariants"]) -> list[EffectPoint]:
        from chrom2expr.figures import variant_tables

        return variant_tables.points(self.figure, given, self.settings["top"])

    def draw(self, rows: Sequence[EffectPoint]) -> "Figure":
        from chrom2expr.figures import variant_plots

        return variant_plots.variant_effects(rows)

    def wrong(self, row: EffectPoint) -> str:
        if row.panel not in EFFECT_PANELS:
            return f"there is no panel {row.panel}"
        return "no effect" if np.isnan(row.y) and row.panel != AGREEMENT else ""
