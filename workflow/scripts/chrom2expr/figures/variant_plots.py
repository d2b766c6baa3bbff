"""Drawings of the effects of variants."""

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chrom2expr.figures.plots import TAB10, WIDTH, legend
from chrom2expr.figures.rows import (
    AGREEMENT,
    DISTANCE,
    EFFECT_PANELS,
    LOWERED,
    RAISED,
    TISSUES,
    TRUTH,
    EffectPoint,
)

# As in the heat map.
_COLOURS = {RAISED: "#b2182b", LOWERED: "#2166ac"}
# More tissues than this have no room for their names.
_NAMED = 40


def variant_effects(points: Sequence[EffectPoint]) -> Figure:
    """Run below run: effects by distance, above predicted against true ones; and a heat map of variants and tissues."""
    series = list(dict.fromkeys(point.series for point in points))
    panels = {
        (name, panel): [point for point in points if (point.series, point.panel) == (name, panel)]
        for name in series
        for panel in EFFECT_PANELS
    }
    shown = [len(dict.fromkeys(map(_pair, panels[name, TISSUES]))) for name in series]
    heights = [max(4.6, 1.5 + 0.11 * count) for count in shown]
    drawn = Figure(figsize=(WIDTH, sum(heights) + 0.3), layout="constrained")
    drawn.get_layout_engine().set(hspace=0.04, h_pad=0.06)
    grid = drawn.add_gridspec(
        2 * len(series), 2, width_ratios=[1, 1.15], height_ratios=[half / 2 for half in heights for _ in range(2)]
    )
    kinds = dict.fromkeys(point.kind for point in points if point.panel in (DISTANCE, TRUTH) and point.kind)
    told = [kind for kind in kinds if kind not in _COLOURS]
    colours = {kind: TAB10[place % len(TAB10)] for place, kind in enumerate(told)}
    colours |= {kind: colour for kind, colour in _COLOURS.items() if kind in kinds}
    most = max(abs(point.y) for point in points if point.panel == TISSUES) or 1.0
    keys: dict[str, Artist] = {}
    for place, name in enumerate(series):
        true, top = panels[name, TRUTH], 2 * place
        left = [drawn.add_subplot(grid[top : top + (1 if true else 2), 0])]
        left[0].set_title(name, loc="left")
        keys |= _by_distance(left[0], panels[name, DISTANCE], colours)
        if true:
            left.append(drawn.add_subplot(grid[top + 1, 0]))
            _beside_truth(left[1], true, panels[name, AGREEMENT], colours)
        drawn.align_ylabels(left)
        _heat_map(drawn.add_subplot(grid[top : top + 2, 1]), panels[name, TISSUES], most)
    legend(drawn, keys)
    return drawn


def _pair(point: EffectPoint) -> tuple[str, str]:
    return point.variant_id, point.gene_id


def _scatter(axes: Axes, points: Sequence[EffectPoint], scale: float, colours: dict[str, str]) -> dict[str, Artist]:
    """Points in the colour of their kind; legend entries."""
    keys = {}
    for kind, colour in colours.items():
        if own := [(point.x / scale, point.y) for point in points if point.kind == kind]:
            keys[kind] = axes.scatter(*zip(*own, strict=True), s=9, color=colour, alpha=0.6, linewidth=0)
    axes.axhline(0, color="black", linewidth=0.5, zorder=0)
    axes.axvline(0, color="black", linewidth=0.5, zorder=0)
    return keys


def _by_distance(axes: Axes, points: Sequence[EffectPoint], colours: dict[str, str]) -> dict[str, Artist]:
    keys = _scatter(axes, points, 1000, colours)
    axes.set_xlabel("Distance from the TSS (kb)")
    axes.set_ylabel("Strongest effect (ln)")
    return keys


def _beside_truth(
    axes: Axes, points: Sequence[EffectPoint], agreement: Sequence[EffectPoint], colours: dict[str, str]
) -> None:
    _scatter(axes, points, 1, colours)
    axes.set_xlabel("True effect (ln)")
    axes.set_ylabel("Predicted effect (ln)")
    (whole,) = agreement
    text = "\u03c1 undefined"
    if not np.isnan(whole.y):
        text = f"\u03c1 = {whole.y:.2f} ({whole.ci_low:.2f} to {whole.ci_high:.2f})\nshuffled: below {whole.x:.2f}"
    # Above the points, where none can lie.
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.3 * (high - low))
    white = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    axes.text(0.02, 0.98, text, transform=axes.transAxes, ha="left", va="top", fontsize=8, bbox=white)


def _heat_map(axes: Axes, points: Sequence[EffectPoint], most: float) -> None:
    pairs = list(dict.fromkeys(map(_pair, points)))
    tissues = list(dict.fromkeys(point.tissue for point in points))
    values = np.full((len(pairs), len(tissues)), np.nan)
    rows, columns = ({name: place for place, name in enumerate(names)} for names in (pairs, tissues))
    for point in points:
        values[rows[_pair(point)], columns[point.tissue]] = point.y
    image = axes.imshow(values, aspect="auto", interpolation="nearest", cmap="RdBu_r", vmin=-most, vmax=most)
    variants = [variant for variant, _ in pairs]
    labels = [_short(variant if variants.count(variant) == 1 else f"{variant} {gene}") for variant, gene in pairs]
    axes.set_yticks(range(len(pairs)), labels, fontsize=6)
    if len(tissues) <= _NAMED:
        axes.set_xticks(range(len(tissues)), map(_short, tissues), rotation=90, fontsize=6)
    else:
        axes.set_xticks([])
        axes.set_xlabel(f"{len(tissues)} tissues")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = axes.figure.colorbar(image, ax=axes, location="top", fraction=0.03, pad=0.01, aspect=40)
    bar.set_label("Log fold change (ln)", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)


def _short(name: str, most: int = 26) -> str:
    """A long name without its middle."""
    return name if len(name) <= most else f"{name[: most // 2]}\u2026{name[1 - most // 2 :]}"
