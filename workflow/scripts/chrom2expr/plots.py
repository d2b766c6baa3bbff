"""Figures, each drawn from its table alone.

A new figure is one function here, marked with `@figure`, and one entry in the config. It takes the bars of its table
and returns a matplotlib Figure. The bar charts share `grouped_bars`, `legend`, `task_name` and `undefined_note`.
"""

import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chrom2expr.errors import InputError
from chrom2expr.evaluation import CROSS_CELLTYPE, CROSS_GENE, Bar, read_figure_table
from chrom2expr.files import whole_file

Drawing = Callable[[Sequence[Bar]], Figure]

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
UNITS = {CROSS_GENE: "cell types", CROSS_CELLTYPE: "test genes"}

FIGURES: dict[str, Drawing] = {}


def figure(drawing: Drawing) -> Drawing:
    """Mark a function as the drawing of the figure that has its name."""
    FIGURES[drawing.__name__] = drawing
    return drawing


def draw(name: str, table: str | Path, pdf: str | Path, png: str | Path) -> None:
    """Draw figure `name` from its table; the same table gives the same bytes.

    Raises InputError if the figure is unknown, or if the table is damaged or another figure's.
    """
    if name not in FIGURES:
        raise InputError(f"no drawing is called {name}; there are {', '.join(sorted(FIGURES))}.")
    bars = read_figure_table(table)
    if others := {bar.figure for bar in bars} - {name}:
        raise InputError(f"{table} is the table of {', '.join(sorted(others))}, not of {name}.")
    with matplotlib.rc_context(STYLE):
        drawn = FIGURES[name](bars)
        with whole_file(pdf) as partial:
            drawn.savefig(partial, format="pdf", metadata={"CreationDate": None})
        with whole_file(png) as partial:
            drawn.savefig(partial, format="png", dpi=200, metadata={"Software": None})


@figure
def fig3_1(bars: Sequence[Bar]) -> Figure:
    """Both tasks side by side for each source, with one loss."""
    losses = _distinct(bar.series for bar in bars)
    if len(losses) > 1:
        raise InputError(f"fig3_1 shows one loss, but its table has {', '.join(losses)}; list one in the config.")
    drawn = Figure(figsize=(WIDTH, 3.5), layout="constrained")
    axes = drawn.subplots()
    keys = grouped_bars(axes, [bar._replace(series=task_name(bar.panel, bars)) for bar in bars])
    axes.set_ylabel("Spearman correlation")
    axes.set_xlabel(f"Input of the model (loss: {losses[0]})" + undefined_note(bars))
    legend(drawn, keys)
    return drawn


@figure
def fig3_2(bars: Sequence[Bar]) -> Figure:
    """Every loss for each source: cross-gene above, cross-celltype below."""
    drawn = Figure(figsize=(WIDTH, 5.4), layout="constrained")
    tasks = _distinct(bar.panel for bar in bars)
    column = drawn.subplots(len(tasks), sharex=True, squeeze=False)[:, 0]
    keys: dict[str, Artist] = {}
    for axes, task in zip(column, tasks, strict=True):
        keys |= grouped_bars(axes, [bar for bar in bars if bar.panel == task])
        axes.set_title(task_name(task, bars), loc="left")
        axes.set_ylabel("Spearman correlation")
    column[-1].set_xlabel("Input of the model" + undefined_note(bars))
    legend(drawn, keys)
    return drawn


def grouped_bars(axes: Axes, bars: Sequence[Bar]) -> dict[str, Artist]:
    """Draw one bar a series in a group for each x, with error bars of +-1 SEM; return the legend's entries by label.

    Groups and series keep the order of their first bars; colours follow the series. A black diamond is the value the
    thesis states. A mean that is undefined is written out in its place. Where bars point down, a line marks zero.
    """
    groups, series = _distinct(bar.x for bar in bars), _distinct(bar.series for bar in bars)
    colours = matplotlib.colormaps["tab10" if len(series) <= 10 else "tab20"].colors
    width = 0.8 / len(series)
    keys: dict[str, Artist] = {}
    stated: list[tuple[float, float]] = []
    undefined: list[float] = []
    for index, name in enumerate(series):
        own = [bar for bar in bars if bar.series == name]
        centres = [groups.index(bar.x) + (index - (len(series) - 1) / 2) * width for bar in own]
        keys[name] = axes.bar(
            centres,
            [bar.mean for bar in own],
            width,
            yerr=[bar.sem for bar in own],
            color=colours[index % len(colours)],
            error_kw={"elinewidth": 0.8, "capsize": min(2.0, 12 * width), "ecolor": "black"},
        )
        stated += [(centre, bar.thesis) for centre, bar in zip(centres, own, strict=True) if not np.isnan(bar.thesis)]
        undefined += [centre for centre, bar in zip(centres, own, strict=True) if np.isnan(bar.mean)]
    if stated:
        x, y = zip(*stated, strict=True)
        keys["thesis"] = axes.scatter(x, y, marker="D", s=14, color="black", edgecolor="white", linewidth=0.5, zorder=3)
    # Every group has its place, even one whose bars are all undefined; one or two groups do not fill the width.
    half, middle = max(len(groups), 3) / 2 + 0.05, (len(groups) - 1) / 2
    axes.set_xlim(middle - half, middle + half)
    axes.set_xticks(range(len(groups)), [textwrap.fill(name, max(8, 88 // len(groups))) for name in groups])
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


def task_name(task: str, bars: Sequence[Bar]) -> str:
    """A task and what its means are over, as a label: `Cross-celltype (mean over 420 to 495 test genes)`."""
    counts = [bar.n for bar in bars if bar.panel == task and bar.n]
    if not counts:
        return f"{task.capitalize()} (undefined throughout)"
    number = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    return f"{task.capitalize()} (mean over {number} {UNITS.get(task, 'values')})"


def undefined_note(bars: Sequence[Bar]) -> str:
    """A second line of an axis label that says how many correlations the means leave out; empty if none."""
    undefined = sum(bar.undefined for bar in bars)
    return f"\n({undefined:,} undefined correlations left out)" if undefined else ""


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
