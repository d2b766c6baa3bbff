"""Drawings of the rows of tables, and what drawings share.

`bar_charts`, `overview`, `network`, `attention_map` and `distal_attention` are those of chrom2expr's own kinds of
figures. Another kind's may use their parts: `grouped_bars` draws the bars of one panel, `line_axes` and `lines` lines
with errors, `box` and `arrow` diagrams, and `legend` puts a legend above any of them.
"""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, Protocol

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import is_color_like, to_hex
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from chrom2expr.errors import InputError
from chrom2expr.figures.diagrams import MEASURED, STAGES, Layer, Part
from chrom2expr.figures.rows import BASELINE, Bar, Point
from chrom2expr.files.whole import whole_file

WIDTH = 7.0  # inches: two columns of a journal, or the text width of a page
STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that every machine draws the same
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # TrueType, so that the text stays text
}
TAB10 = matplotlib.colormaps["tab10"].colors


class Drawable(Protocol):
    """What a figure's kind offers (see figure.FigureKind)."""

    def read(self, path: str | Path) -> Sequence[Any]:
        """The rows of the figure's table."""

    def draw(self, rows: Sequence[Any]) -> Figure:
        """The figure."""


def draw(kind: Drawable, table: str | Path, pdf: str | Path, png: str | Path) -> None:
    """Draw a figure from its table, in STYLE; the same table gives the same bytes.

    Raises InputError if the table is damaged or another figure's.
    """
    rows = kind.read(table)
    with matplotlib.rc_context(STYLE):
        drawn = kind.draw(rows)
        with whole_file(pdf) as partial:
            drawn.savefig(partial, format="pdf", metadata={"CreationDate": None})
        with whole_file(png) as partial:
            drawn.savefig(partial, format="png", dpi=200, metadata={"Software": None})


def overview(parts: Sequence[Part]) -> Figure:
    """The strategy: sequence, backbones or experiments, tracks, heads, expression, from left to right."""
    rows = _distinct(part.row for part in parts if part.row)
    heads = [part for part in parts if part.stage == "head"]
    height = max(2 * len(rows) + 0.1, len(heads))  # in box heights: a backbone and the experiments a row
    drawn = Figure(figsize=(WIDTH, 0.75 * height + 0.35))
    axes = drawn.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(-0.2, 0.75 * height + 0.15))
    axes.set_axis_off()
    widths = {"sequence": 0.85, "backbone": 1.1, "tracks": 1.4, "head": 1.15, "expression": 1.0}
    gap = (WIDTH - 0.2 - sum(widths.values())) / (len(STAGES) - 1)
    lefts = {stage: 0.1 + sum(widths[s] + gap for s in STAGES[: STAGES.index(stage)]) for stage in STAGES}

    def place(part: Part, y: float, colour: str) -> tuple[tuple[float, float], tuple[float, float]]:
        stage = "backbone" if part.stage == MEASURED else part.stage
        lines = [part.label, *part.detail.split("; ")] if part.detail else [part.label]
        text = "\n".join(textwrap.fill(line, 22) for line in lines)
        return box(axes, lefts[stage], 0.75 * y - 0.28, widths[stage], 0.56, text, colour)

    ends = []
    for index, row in enumerate(rows):
        own = {part.stage: part for part in parts if part.row == row}
        upper = height - 0.5 - index * height / len(rows)
        middle = upper - 0.5 * (MEASURED in own and "backbone" in own)
        left, right = place(own["tracks"], middle, "#cfe3f3")
        ends.append(right)
        if "backbone" in own:
            start = place(own["sequence"], upper, "#eeeeee")[1]
            backbone = place(own["backbone"], upper, "#f9dcc0")
            arrow(axes, start, backbone[0])
            arrow(axes, backbone[1], left)
        if MEASURED in own:
            arrow(axes, place(own[MEASURED], upper - ("backbone" in own), "#eeeeee")[1], left, dashed=True)
    (expression,) = (part for part in parts if part.stage == "expression")
    target = place(expression, height / 2, "#eeeeee")[0]
    for index, part in enumerate(heads):
        left, right = place(part, height - (index + 0.5) * height / len(heads), "#d5ecd4")
        for end in ends:
            arrow(axes, end, left)
        arrow(axes, right, target)
    return drawn


def network(layers: Sequence[Layer]) -> Figure:
    """The network: a box a layer, whose height falls with the bins, above the size of its output; then its formulas."""
    kinds = _distinct(layer.layer for layer in layers)
    colours = dict(zip(kinds, matplotlib.colormaps["Pastel1"].colors, strict=False))
    margin, tallest, shortest = 0.62, 2.4, 1.3
    step = (WIDTH - margin - 0.05) / len(layers)
    formulas = _distinct(f"{layer.layer}: {layer.formula}" for layer in layers if layer.formula)
    lowest = -0.65 - 0.25 * len(formulas)
    drawn = Figure(figsize=(WIDTH, tallest + 0.1 - lowest))
    axes = drawn.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(lowest, tallest + 0.1))
    axes.set_axis_off()
    most = np.log2(max(layer.bins for layer in layers) + 1)
    previous = None
    for index, layer in enumerate(layers):
        height = shortest + (tallest - shortest) * np.log2(layer.bins) / most
        left = margin + index * step
        ends = box(
            axes, left + 0.1 * step, (tallest - height) / 2, 0.75 * step, height, layer.layer,
            colours.get(layer.layer, "#eeeeee"), rotation=90,
        )  # fmt: skip
        if previous:
            arrow(axes, previous, ends[0], head=4)
        previous = ends[1]
        for y, value in ((-0.22, layer.channels), (-0.47, layer.bins)):
            size = 8 if step > 0.3 else 6
            axes.text(left + 0.475 * step, y, f"{value}", ha="center", va="center", fontsize=size)
    for y, name in ((-0.22, "channels"), (-0.47, "bins")):
        axes.text(0.05, y, name, ha="left", va="center", fontsize=8)
    for line, text in enumerate(formulas):
        axes.text(0.05, -0.75 - 0.25 * line, text, ha="left", va="center", fontsize=8)
    return drawn


def bar_charts(
    bars: Sequence[Bar],
    metrics: Sequence[str] = ("cross_gene", "cross_celltype"),
    layout: str = "above",
    x_label: str = "Input of the model",
    legend: str = "series",
) -> Figure:
    """Scores as bars; the metrics that are not in `metrics` are in the table only.

    layout: a panel for each metric, above or beside one another, or all metrics side by side in one panel (joined).
    legend: what the colours tell apart, the series, or the groups: then every bar has the name of its series below it,
    and baselines, which are those of groups, are left out.
    """
    if missing := set(metrics) - {bar.metric for bar in bars}:
        absent = ", ".join(sorted(missing))
        raise InputError(f"the table of {bars[0].figure} has no {absent}; tabulate the figure again.")
    shown = [bar for name in metrics for bar in bars if bar.metric == name]
    if legend == "groups":
        shown = [bar._replace(series=bar.x, x=bar.series) for bar in shown if bar.series != BASELINE]
    if layout == "joined":
        return _joined_panel(shown, x_label)
    return _one_panel(shown, x_label) if len(metrics) == 1 else _panels(shown, x_label, beside=layout == "beside")


def _joined_panel(bars: Sequence[Bar], x_label: str) -> Figure:
    """All metrics side by side in one panel, in a colour each, of runs of one series."""
    runs = [bar for bar in bars if bar.series != BASELINE]
    series = _distinct(bar.series for bar in runs)
    if len(series) > 1:
        raise InputError(
            f"{bars[0].figure} joins its metrics in one panel, which has room for one series, but its table has "
            f"{', '.join(series)}: list one in figures.{bars[0].figure}.runs, or choose another layout."
        )
    drawn = Figure(figsize=(WIDTH, 3.5), layout="constrained")
    axes = drawn.subplots()
    keys = grouped_bars(axes, [bar._replace(series=panel_name(bar.panel, bars), colour="") for bar in runs])
    panels = _distinct(bar.panel for bar in bars)
    for place, panel in enumerate(panels):  # a baseline crosses the bars of its own metric
        left = 0.8 * place / len(panels) - 0.4
        span = (left, left + 0.8 / len(panels))
        keys |= baseline_lines(axes, [bar for bar in bars if bar.panel == panel], span=span)
    axes.set_ylabel(" or ".join(_distinct(bar.quantity for bar in bars)))
    axes.set_xlabel(x_label.replace("{series}", series[0]) + undefined_note(bars))
    legend(drawn, keys)
    return drawn


def _one_panel(bars: Sequence[Bar], x_label: str) -> Figure:
    """The panel of one metric."""
    drawn = Figure(figsize=(WIDTH, 3.5), layout="constrained")
    axes = drawn.subplots()
    keys = grouped_bars(axes, bars)
    axes.set_title(panel_name(bars[0].panel, bars), loc="left")
    axes.set_ylabel(bars[0].quantity)
    axes.set_xlabel(x_label + undefined_note(bars))
    legend(drawn, keys)
    return drawn


def _panels(bars: Sequence[Bar], x_label: str, beside: bool) -> Figure:
    """A panel for each metric, in their order, beside or above one another."""
    panels = _distinct(bar.panel for bar in bars)
    shape = (1, len(panels)) if beside else (len(panels), 1)
    # Narrow panels have long names below them.
    height = 3.5 + 0.8 * max(0, len(panels) - 2) if beside else 2.7 * len(panels)
    drawn = Figure(figsize=(WIDTH, height), layout="constrained")
    keys: dict[str, Artist] = {}
    for axes, panel in zip(drawn.subplots(*shape, sharex=True, squeeze=False).flat, panels, strict=True):
        own = [bar for bar in bars if bar.panel == panel]
        keys |= grouped_bars(axes, own)
        name = panel_name(panel, bars)
        if beside:
            parts = name.replace(" (", "\n(").splitlines()
            name = "\n".join(textwrap.fill(part, 72 // len(panels)) for part in parts)
        axes.set_title(name, loc="left")
        axes.set_ylabel(own[0].quantity)
    drawn.supxlabel(x_label + undefined_note(bars), fontsize=STYLE["font.size"])
    legend(drawn, keys)
    return drawn


def attention_map(points: Sequence[Point]) -> Figure:
    """The attention that every model pays from the TSS to the bins around it, in a band of +-1 SEM."""
    drawn, axes = line_axes(points, "Bin relative to the TSS", "Mean attention weight")
    keys: dict[str, Artist] = {}
    for name, colour, x, mean, sem in lines(points):
        (keys[name],) = axes.plot(x, mean, color=colour, linewidth=1)
        axes.fill_between(x, mean - sem, mean + sem, color=colour, alpha=0.3, linewidth=0)
    keys["TSS"] = axes.axvline(0, color="red", linestyle="dashed", linewidth=1, zorder=1)
    axes.margins(x=0)
    axes.set_ylim(bottom=0)
    legend(drawn, keys)
    return drawn


def distal_attention(points: Sequence[Point]) -> Figure:
    """How many distal bins every model pays more attention than a threshold, with error bars of +-1 SEM."""
    drawn, axes = line_axes(points, "Attention threshold", "Distal bins above the threshold")
    keys = {
        name: axes.errorbar(x, mean, sem, color=colour, linewidth=1, marker="o", markersize=3, capsize=2)
        for name, colour, x, mean, sem in lines(points)
    }
    axes.set_ylim(bottom=0)
    legend(drawn, keys)
    return drawn


def grouped_bars(axes: Axes, bars: Sequence[Bar]) -> dict[str, Artist]:
    """Draw one bar a series in a group for each x, with error bars of +-1 SEM; return the legend's entries by label.

    Groups and series keep the order of their first bars; the bars that a group has are in its middle. Colours follow
    the series, but for runs with a colour of their own. A black diamond is the value the thesis states. A mean that is
    undefined is written out in its place. Where bars point down, a line marks zero. The baseline is a line
    across its group, not a bar.
    """
    baseline, bars = bars, [bar for bar in bars if bar.series != BASELINE]
    groups, series = _distinct(bar.x for bar in bars), _distinct(bar.series for bar in bars)
    others = _palette(bars, TAB10 if len(series) <= 10 else matplotlib.colormaps["tab20"].colors)
    present = {(bar.series, bar.x) for bar in bars}
    members = {group: [name for name in series if (name, group) in present] for group in groups}
    width = 0.8 / max(map(len, members.values()))
    keys: dict[str, Artist] = {}
    stated: list[tuple[float, float]] = []
    undefined: list[float] = []
    for name in series:
        own = [bar for bar in bars if bar.series == name]
        colour = "" if all(bar.colour for bar in own) else next(others)
        centres = [
            groups.index(bar.x) + (members[bar.x].index(name) - (len(members[bar.x]) - 1) / 2) * width for bar in own
        ]
        keys[name] = axes.bar(
            centres,
            [bar.mean for bar in own],
            width,
            yerr=[bar.sem for bar in own],
            color=[bar.colour or colour for bar in own],
            error_kw={"elinewidth": 0.8, "capsize": min(2.0, 12 * width), "ecolor": "black"},
        )
        stated += [(centre, bar.thesis) for centre, bar in zip(centres, own, strict=True) if not np.isnan(bar.thesis)]
        undefined += [centre for centre, bar in zip(centres, own, strict=True) if np.isnan(bar.mean)]
    if stated:
        x, y = zip(*stated, strict=True)
        keys["thesis"] = axes.scatter(x, y, marker="D", s=14, color="black", edgecolor="white", linewidth=0.5, zorder=3)
    keys |= baseline_lines(axes, baseline)
    # Every group has its place, even one whose bars are all undefined; one or two groups do not fill the width.
    half, middle = max(len(groups), 3) / 2 + 0.05, (len(groups) - 1) / 2
    axes.set_xlim(middle - half, middle + half)
    letters = max(1, 88 // (len(groups) * axes.get_gridspec().ncols))
    labels = [textwrap.fill(name, letters, break_long_words=False) for name in groups]
    if turned := any(len(line) > letters for label in labels for line in label.splitlines()):  # a word is too long
        labels = [textwrap.fill(name, 20) for name in groups]
    axes.set_xticks(range(len(groups)), labels, rotation=90 if turned else 0)
    axes.tick_params(axis="x", length=0, labelsize=9 if len(groups) <= 4 else 8)
    if len(undefined) == len(bars):
        axes.set_ylim(0, 1)
    bottom, top = axes.get_ylim()
    if bottom < 0:
        axes.axhline(0, color="black", linewidth=0.8)
    for centre in undefined:  # on the side of zero that has more room
        side = "bottom" if top >= -bottom else "top"
        axes.text(centre, 0, " undefined ", rotation=90, ha="center", va=side, fontsize=8, in_layout=False)
    return keys


def baseline_lines(axes: Axes, bars: Sequence[Bar], span: tuple[float, float] = (-0.45, 0.45)) -> dict[str, Artist]:
    """A dashed line across each group at its baseline's mean, over `span` around the group's place; legend entries."""
    groups = _distinct(bar.x for bar in bars)
    own = [bar for bar in bars if bar.series == BASELINE and not np.isnan(bar.mean)]
    if not own:
        return {}
    places = np.array([groups.index(bar.x) for bar in own])
    lines = axes.hlines(
        [bar.mean for bar in own], places + span[0], places + span[1], color="black", linestyle="dashed", linewidth=1
    )
    return {BASELINE: lines}


def line_axes(points: Sequence[Point], x_label: str, y_label: str) -> tuple[Figure, Axes]:
    """A figure with empty axes for the lines of `points`."""
    drawn = Figure(figsize=(WIDTH, 3.5), layout="constrained")
    axes = drawn.subplots()
    axes.set_title(f"Mean over {_span([point.n for point in points])} test genes", loc="left")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    return drawn, axes


def lines(points: Sequence[Point]) -> Iterator[tuple[str, Any, np.ndarray, np.ndarray, np.ndarray]]:
    """Of every series in the order of its first point: name, colour, and x, mean and SEM, (point,) each."""
    others = _palette(points, TAB10)
    for name in _distinct(point.series for point in points):
        own = [point for point in points if point.series == name]
        values = [(point.x, point.mean, point.sem) for point in own]
        yield name, own[0].colour or next(others), *np.array(values).T


def _palette(rows: Sequence[Bar | Point], colours: Sequence[Any]) -> Iterator[Any]:
    """The colours, again and again, for series without their own: those that no run has as its own, if any are left."""
    for row in rows:
        if row.colour and not is_color_like(row.colour):
            raise InputError(
                f"figures.{row.figure}.runs: {row.colour!r}, the colour of {row.run}, is unknown: write a name that "
                "matplotlib knows, such as tab:pink, or a number such as #1f77b4."
            )
    taken = {to_hex(row.colour) for row in rows if row.colour}
    return cycle([colour for colour in colours if to_hex(colour) not in taken] or colours)


def legend(drawn: Figure, keys: dict[str, Artist]) -> None:
    """A legend above the axes, in as few rows as the figure's width allows; the thesis's values come last."""
    labels = sorted(keys, key=lambda label: label == "thesis")
    for columns in range(len(labels), 0, -1):
        made = drawn.legend(
            [keys[label] for label in labels],
            [textwrap.fill(label, 80) for label in labels],
            loc="outside upper center",
            ncols=columns,
            columnspacing=1.2,
            handlelength=1.2,
        )
        if columns == 1 or made.get_window_extent().width <= drawn.bbox.width:
            return
        made.remove()


def panel_name(panel: str, bars: Sequence[Bar]) -> str:
    """A metric and what its means are over, as a label: `Cross-celltype (mean over 420 to 495 test genes)`."""
    own = [bar for bar in bars if bar.panel == panel]
    counts = [bar.n for bar in own if bar.series != BASELINE and bar.n]
    name = panel[:1].upper() + panel[1:]
    if not counts:
        return f"{name} (undefined throughout)"
    return f"{name} (mean over {_span(counts)} {own[0].unit})"


def undefined_note(bars: Sequence[Bar]) -> str:
    """A second line of an axis label that says how many correlations the bars leave out; empty if none."""
    undefined = sum(bar.undefined for bar in bars if bar.series != BASELINE)
    return f"\n({undefined:,} undefined correlations left out)" if undefined else ""


def box(
    axes: Axes, x: float, y: float, width: float, height: float, text: str, colour: Any, rotation: float = 0
) -> tuple[tuple[float, float], tuple[float, float]]:
    """A labelled box with its lower left corner at (x, y); returns the middles of its left and right sides."""
    style = "round,pad=0,rounding_size=0.05"
    axes.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=style, facecolor=colour, linewidth=0.8))
    axes.text(
        x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=8, rotation=rotation, linespacing=1.3
    )
    return (x, y + height / 2), (x + width, y + height / 2)


def arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], *, dashed: bool = False, head: float = 7
) -> None:
    """An arrow from the right side of one box to the left side of another."""
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=head,
            shrinkA=0,
            shrinkB=0,
            linewidth=0.8,
            color="black",
            linestyle="dashed" if dashed else "solid",
        )  # fmt: skip
    )


def _span(counts: Sequence[int]) -> str:
    """From the least to the most, as `420` or `420 to 495`."""
    low, high = min(counts), max(counts)
    return f"{low}" if low == high else f"{low} to {high}"


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
