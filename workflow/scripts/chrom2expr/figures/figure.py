"""What every kind of figure gives: the rows of its table, the table's format, and the drawing.

A subclass takes what its runs give (`takes`), tabulates it, and draws the figure from the table's rows alone. One whose
table is that of all figures of scores, or of attention, derives from ScoreFigure or AttentionFigure, and may be no more
than a `draw`.

Import inside `draw` and `tabulate` what only one of them needs: then an edit there repeats the one alone, and each of
the two jobs needs only its own packages.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from chrom2expr import registry
from chrom2expr.errors import InputError
from chrom2expr.figures.rows import Bar, Point
from chrom2expr.files.tables import read_rows, write_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from chrom2expr.figures.attention_tables import AttendingModel
    from chrom2expr.figures.score_tables import Scored


class FigureKind(ABC):
    """A figure of the config.

    `declares`, beside what all classes declare (see registry), holds `takes`, what `tabulate` is given:

    - "scores": score_tables.Scored, the runs with their scores, and the baselines of their groups;
    - "attention": [attention_tables.AttendingModel], the backbones that the runs started from, then the runs;
    - "models": [FittedRun], the runs' heads;
    - "sources": Sources, what heads are given of each backbone;
    - "variants": [variant_tables.ScoredVariants], the runs with their effects of the variants that the setting
      `variants` names, and true effects where those have them.

    It may hold `run`: JSON schema of the runs that it can show, which sees the sections of the config that a run names:
    source, backbone, inputs, head, loss. `schema` sees the figure's section, in which `runs` lists run by run.

    row: the rows of the table, a NamedTuple of text, int and float, whose first field is `figure`.
    figure: the name of the figure. settings: the keys of its section that `schema` describes.
    """

    declares: ClassVar[Mapping[str, Any]]
    row: ClassVar[type]

    def __init__(self, figure: str, settings: Mapping[str, Any]) -> None:
        self.figure, self.settings = figure, settings

    @abstractmethod
    def tabulate(self, given: Any) -> Sequence[Any]:
        """The rows of the table."""

    @abstractmethod
    def draw(self, rows: Sequence[Any]) -> "Figure":
        """The figure, of what `read` gave; the same rows give the same picture."""

    def write(self, path: str | Path, rows: Sequence[Any]) -> None:
        """Write the table: numbers with a fraction to six decimals, NaN as an empty cell."""
        write_table(path, self.row._fields, rows)

    def read(self, path: str | Path) -> Sequence[Any]:
        """Read the table. Raises InputError naming the row that cannot be understood, or is another figure's."""
        rows = read_rows(path, self.row, self.wrong)
        if others := {row.figure for row in rows} - {self.figure}:
            raise InputError(f"{path} is the table of {', '.join(sorted(others))}, not of {self.figure}.")
        return rows

    def wrong(self, row: Any) -> str:
        """What cannot be in a row; empty for the others."""
        return ""


class ScoreFigure(FigureKind):
    """A figure of scores (takes: scores), with a row for every run and baseline by every metric."""

    row = Bar

    def tabulate(self, given: "Scored") -> list[Bar]:
        from chrom2expr.figures import score_tables

        return score_tables.bars(self.figure, given)

    def wrong(self, row: Bar) -> str:
        return "mean and n contradict each other" if np.isnan(row.mean) != (row.n == 0) else ""


class AttentionFigure(FigureKind):
    """A figure of attention (takes: attention), with a row for every model and place; a subclass says which."""

    row = Point

    @abstractmethod
    def tabulate(self, given: Sequence["AttendingModel"]) -> list[Point]: ...

    def write(self, path: str | Path, rows: Sequence[Point]) -> None:
        """Write the table, six significant digits a number: attention is small. What is undefined is empty."""
        numbers = ("x", "mean", "sem", "thesis")
        written = (row._replace(**{name: _cell(getattr(row, name)) for name in numbers}) for row in rows)
        write_table(path, Point._fields, written)

    def wrong(self, row: Point) -> str:
        if np.isnan(row.x):
            return "no x"
        return f"mean {row.mean} of n {row.n}" if row.mean < 0 or np.isnan(row.mean) != (row.n == 0) else ""


class FittedRun(NamedTuple):
    """A run's folder in models/, and its fitted head (head.Head)."""

    run: str
    head: Any


class Sources(NamedTuple):
    """What heads are given of each backbone (see diagrams.overview), the labels of heads, the number of tissues."""

    backbones: Sequence[Mapping[str, Any]]
    heads: Sequence[str]
    tissues: int


def build(kind: str, figure: str, settings: Mapping[str, Any]) -> FigureKind:
    """The figure of a section of the config: its kind, its name, and its settings.

    Raises InputError for an unknown kind.
    """
    return registry.find("figures", kind).load()(figure, settings)


def _cell(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.6g}"
