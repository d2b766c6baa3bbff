"""What the thesis states, as tables in config/: numbers (thesis_values.tsv) and statements (thesis_statements.tsv)."""

import re
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from chrom2expr.errors import InputError
from chrom2expr.evaluation.scores import read_thesis_values
from chrom2expr.files.tables import number, read_table

# What coefficients of variation are scores of, where runs are named.
EXPRESSION = "expression"
PAIRS = ("", "every", "each")
NO_NUMBER = "no number"


class Statement(NamedTuple):
    """One thing that the thesis states, in our words, and how it is checked.

    `rule` is one of reproduction.RULES, or NO_NUMBER, which is not checked for the `reason`. `metric` is what runs are
    compared by, `metric_b` what those of `b` are if it is another. `a` and `b` are runs: folders in models/, a source
    for the backbone that its runs start from, or EXPRESSION. `pairs` says which of a are compared with which of b:
    "every" with every, or "each" with the one in its place. `value` is the number stated, NaN if there is none, and
    `margin` how far from it, or from 0, a difference counts as none.
    """

    id: str
    section: str
    claim: str
    rule: str
    metric: str
    metric_b: str
    a: tuple[str, ...]
    b: tuple[str, ...]
    pairs: str
    value: float
    margin: float
    reason: str

    @property
    def scored(self) -> tuple[tuple[str, str], ...]:
        """The runs that it needs, each with the metric."""
        second = self.metric_b or self.metric
        return *((run, self.metric) for run in self.a), *((run, second) for run in self.b)

    @property
    def compared(self) -> list[tuple[str, str]]:
        """The pairs of runs, one of a and one of b, that its rule compares."""
        return list(zip(self.a, self.b, strict=True)) if self.pairs == "each" else list(product(self.a, self.b))


def expanded(text: str) -> tuple[str, ...]:
    """The names that a cell lists, with commas in braces for alternatives, the last of which changes fastest.

    >>> expanded("s/{a,b}/h t")
    ('s/a/h', 's/b/h', 't')
    """
    found: list[str] = []
    for word in text.split():
        parts = re.split(r"\{([^{}]*)\}", word)
        found += map("".join, product(*(part.split(",") if place % 2 else [part] for place, part in enumerate(parts))))
    return tuple(found)


def read_values(path: str | Path) -> list[Statement]:
    """The numbers of a table of thesis values, each checked by the rule `about`. Raises InputError as its reader."""
    stated = {(row["metric"], row["run"]): row for _, row in read_table(path, ("metric", "run", "value"), ours=False)}
    found = []
    for place, ((metric, run), value) in enumerate(read_thesis_values(path).items(), start=1):
        section = stated[metric, run].get("stated") or ""
        claim = f"{metric.replace('_', '-')} of {run}" if run else metric
        runs = (run or EXPRESSION,)
        found.append(Statement(f"value {place}", section, claim, "about", metric, "", runs, (), "", value, 0.0, ""))
    return found


def read_statements(path: str | Path, rules: Mapping[str, Sequence[str]]) -> list[Statement]:
    """The statements of a table, in its order. `rules` names the columns that each rule needs.

    Raises InputError, naming the row, for a rule that is none of `rules` and not NO_NUMBER, an id that is listed twice,
    runs that cannot be paired, and an empty cell that the rule needs: all need a claim, NO_NUMBER needs a reason.
    """
    known = (*rules, NO_NUMBER)
    found: dict[str, Statement] = {}
    for line, row in read_table(path, Statement._fields, ours=False):
        where = f"{path}, row {line}: "
        value, margin = (number(float, row[name], path, line) for name in ("value", "margin"))
        cells = {name: row[name] for name in Statement._fields}
        one = Statement(
            **cells
            | {"a": expanded(row["a"]), "b": expanded(row["b"]), "value": value}
            | {"margin": 0.0 if np.isnan(margin) else margin}
        )
        if one.rule not in known:
            raise InputError(f"{where}there is no rule {one.rule}; use one of {', '.join(known)}.")
        if one.id in found:
            raise InputError(f"{where}{one.id} is listed twice; give one another id.")
        if one.pairs not in PAIRS or (one.pairs == "each" and len(one.a) != len(one.b)):
            raise InputError(f"{where}pairs is every, each or empty, and each takes as many runs of a as of b.")
        needed = ("claim", *rules.get(one.rule, ("reason",)))
        if empty := [name for name in needed if not row[name]]:
            raise InputError(f"{where}{one.rule} needs {' and '.join(empty)}.")
        found[one.id] = one
    return list(found.values())
