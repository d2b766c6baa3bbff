"""Which of the thesis's numbers and statements our runs reproduce: a rule for each kind of statement.

A rule looks at a difference's 95 % bootstrap interval over test genes, both runs in the same resamples, and says
nothing where the interval does not decide.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from chrom2expr.evaluation import statistics
from chrom2expr.evaluation.contrasts import Estimate, contrast
from chrom2expr.evaluation.scores import Scores
from chrom2expr.evaluation.statements import NO_NUMBER, Statement
from chrom2expr.files.pages import Table, write_page
from chrom2expr.files.tables import write_table

HOLDS, CONTRADICTED, UNDECIDED = "holds", "contradicted", "undecided"
INSIDE, OUTSIDE = "inside", "outside"
SAME, OTHER = "the same", "another"
NOT_CHECKED, NOT_HERE, NOT_APPLICABLE = "not checked", "not in this config", "not applicable"
NOT_PAIRED = "other test genes"
# Of several findings, the first of these is that of the whole statement.
_WORST = (NOT_PAIRED, CONTRADICTED, OUTSIDE, UNDECIDED, INSIDE, HOLDS)
_MARKS = dict.fromkeys((HOLDS, INSIDE, SAME), "good") | dict.fromkeys((CONTRADICTED, OUTSIDE, OTHER), "bad")
_MARKS |= dict.fromkeys((UNDECIDED, NOT_CHECKED, NOT_HERE, NOT_APPLICABLE, NOT_PAIRED), "faint")


class Evidence(NamedTuple):
    """What our runs left: scores by run and metric, the units of metrics, and numbers by what they count or set."""

    scores: Mapping[tuple[str, str], Scores]
    units: Mapping[str, str]
    numbers: Mapping[str, float]


class Finding(NamedTuple):
    """What a rule found: its verdict, our number with its interval, and the runs that decided.

    `slack` tells how clear it is: of several findings of one verdict, the least clear is shown.
    """

    verdict: str
    ours: Estimate
    compared: str
    slack: float = 0.0


class Row(NamedTuple):
    """One row of the table of reproduction.

    `ours` is our number: the value itself where the thesis states a number, else the difference of the runs named in
    `compared`, of those that the statement is about the pair that decided. `ci_low` to `ci_high` is its interval.
    `difference` is ours minus stated. All are in `unit`. `n` is how many units the mean is over.
    """

    id: str
    section: str
    claim: str
    verdict: str
    stated: float
    ours: float
    ci_low: float
    ci_high: float
    difference: float
    unit: str
    n: float
    rule: str
    margin: float
    compared: str
    reason: str


Rule = Callable[[Statement, Evidence], Finding]
_NOTHING = Estimate(np.nan, np.nan, np.nan, 0)


def above(statement: Statement, evidence: Evidence) -> Finding:
    """Every a scores above its b: holds where the interval of a - b lies above 0, contradicted where below."""
    return _of_pairs(statement, evidence, lambda found: (_sign(found), found.mean))


def comparable(statement: Statement, evidence: Evidence) -> Finding:
    """a and b differ by no more than the margin: holds where the interval of a - b lies within it.

    Contradicted where the interval lies outside.
    """
    return _of_pairs(statement, evidence, lambda found: (_within(found, statement.margin), -abs(found.mean)))


def differs(statement: Statement, evidence: Evidence) -> Finding:
    """a and b differ by more than the margin, either way: holds where the interval of a - b lies outside of it.

    Contradicted where the interval lies within.
    """
    opposite = {HOLDS: CONTRADICTED, CONTRADICTED: HOLDS, UNDECIDED: UNDECIDED}
    return _of_pairs(statement, evidence, lambda found: (opposite[_within(found, statement.margin)], abs(found.mean)))


def not_below(statement: Statement, evidence: Evidence) -> Finding:
    """a scores as well as b or better: holds where the interval of a - b lies above minus the margin.

    Contradicted where it lies below that.
    """

    def judge(found: Estimate) -> tuple[str, float]:
        shifted = found._replace(low=found.low + statement.margin, high=found.high + statement.margin)
        return _sign(shifted), found.mean

    return _of_pairs(statement, evidence, judge)


def rises(statement: Statement, evidence: Evidence) -> Finding:
    """The scores of a rise from run to run: holds where last - first lies above 0 and no step lies below.

    Contradicted where last - first, or a step, lies below 0.
    """
    return _along(statement, evidence, statement.a)


def falls(statement: Statement, evidence: Evidence) -> Finding:
    """The scores of a fall from run to run: `rises`, from the last to the first."""
    return _along(statement, evidence, statement.a[::-1])


def narrows(statement: Statement, evidence: Evidence) -> Finding:
    """The gap a - b shrinks from the first pair to the last.

    Holds where the interval of the first gap minus the last lies above 0, contradicted where below.
    """
    runs = (statement.a[0], statement.b[0], statement.a[-1], statement.b[-1])
    own = [evidence.scores[run, statement.metric] for run in runs]
    compared = "({} - {}) - ({} - {})".format(*runs)
    if not _paired(own):
        return Finding(NOT_PAIRED, _NOTHING, compared)
    found = contrast(list(zip((1, -1, -1, 1), own, strict=True)), statement.metric).estimate()
    return Finding(_sign(found), found, compared)


def about(statement: Statement, evidence: Evidence) -> Finding:
    """Every a has the stated value: inside where it lies within the interval, or no further off than the margin."""
    found = []
    for run in statement.a:
        ours = contrast([(1, evidence.scores[run, statement.metric])], statement.metric).estimate()
        found.append(Finding(_meets(ours, statement), ours, run, -abs(ours.mean - statement.value)))
    return _worst(found)


def gain(statement: Statement, evidence: Evidence) -> Finding:
    """The mean of a is so many per cent above that of b: inside or outside as for `about`.

    The interval is that of the ratio of the two means, in the same resamples.
    """
    found = []
    for run_a, run_b in statement.compared:
        own = [evidence.scores[run, statement.metric] for run in (run_a, run_b)]
        compared = f"{run_a} / {run_b}"
        if not _paired(own):
            found.append(Finding(NOT_PAIRED, _NOTHING, compared))
            continue
        first, second = (contrast([(1, one)], statement.metric) for one in own)
        ratios = 100 * (first.means / second.means - 1)
        one, other = first.estimate(), second.estimate()
        ours = Estimate(100 * (one.mean / other.mean - 1), *statistics.interval(ratios), min(one.n, other.n))
        found.append(Finding(_meets(ours, statement), ours, compared, -abs(ours.mean - statement.value)))
    return _worst(found)


def equals(statement: Statement, evidence: Evidence) -> Finding:
    """What is counted, or set in the config, is the stated number."""
    ours = evidence.numbers[statement.metric]
    verdict = SAME if ours == statement.value else OTHER
    return Finding(verdict, _NOTHING._replace(mean=float(ours)), statement.metric)


RULES: dict[str, Rule] = {
    "above": above,
    "comparable": comparable,
    "differs": differs,
    "not below": not_below,
    "rises": rises,
    "falls": falls,
    "narrows": narrows,
    "about": about,
    "gain": gain,
    "equals": equals,
}
# The columns of the table of statements that each rule needs.
NEEDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("above", "comparable", "differs", "not below", "narrows"), ("metric", "a", "b")),
    **dict.fromkeys(("rises", "falls"), ("metric", "a")),
    "about": ("metric", "a", "value"),
    "gain": ("metric", "a", "b", "value"),
    "equals": ("metric", "value"),
}


def judge(statements: Sequence[Statement], evidence: Evidence | None) -> list[Row]:
    """A row for every statement, in their order; without evidence, since the data are others, none is applicable."""
    return [_row(statement, *_judged(statement, evidence)) for statement in statements]


def write(table: str | Path, page: str | Path, rows: Sequence[Row]) -> None:
    """Write the rows as a table and as a page."""
    write_table(table, Row._fields, [row._replace(n="" if np.isnan(row.n) else int(row.n)) for row in rows])
    counted = {verdict: sum(row.verdict == verdict for row in rows) for verdict in _MARKS}
    summary = ", ".join(f"{count} {verdict}" for verdict, count in counted.items() if count)
    print(f"{len(rows)} numbers and statements: {summary}")
    text = (
        "The thesis's numbers and statements (K. Mittal, UC Berkeley 2025), in our words, beside what this run finds.",
        f"{len(rows)} rows: {summary}.",
        "ci_low to ci_high is the 95 % bootstrap interval over test genes. Where the thesis states a number, ours is "
        "that number of this run, and difference is ours minus stated; elsewhere ours is the difference of the "
        "compared runs, which are those that decided. docs/reproduction.md explains rules and verdicts.",
    )
    write_page(page, "The thesis, reproduced", text, [Table("Numbers and statements", Row._fields, rows, _MARKS)])


def _judged(statement: Statement, evidence: Evidence | None) -> tuple[Finding, str]:
    if evidence is None:
        return Finding(NOT_APPLICABLE, _NOTHING, ""), ""
    if statement.rule == NO_NUMBER:
        return Finding(NOT_CHECKED, _NOTHING, ""), ""
    known = evidence.numbers if statement.rule == "equals" else evidence.scores
    needed = [statement.metric] if statement.rule == "equals" else list(dict.fromkeys(statement.scored))
    missing = [item if isinstance(item, str) else f"{item[0]} ({item[1]})" for item in needed if item not in known]
    if missing:
        return Finding(NOT_HERE, _NOTHING, ", ".join(missing)), ""
    units = {"equals": "", "gain": "%"}
    return RULES[statement.rule](statement, evidence), units.get(
        statement.rule, evidence.units.get(statement.metric, "")
    )


def _row(statement: Statement, finding: Finding, unit: str) -> Row:
    mean, low, high, n = finding.ours
    return Row(
        statement.id,
        statement.section,
        statement.claim,
        finding.verdict,
        statement.value,
        mean,
        low,
        high,
        mean - statement.value,
        unit,
        n or np.nan,
        statement.rule,
        statement.margin or np.nan,
        finding.compared,
        statement.reason,
    )


def _of_pairs(statement: Statement, evidence: Evidence, verdict: Callable[[Estimate], tuple[str, float]]) -> Finding:
    """The worst of what `verdict` says of the difference of every pair: a verdict, and how clear it is."""
    metrics = statement.metric, statement.metric_b or statement.metric
    found = []
    for runs in statement.compared:
        own = [evidence.scores[run, metric] for run, metric in zip(runs, metrics, strict=True)]
        labels = runs if metrics[0] == metrics[1] else map("{} of {}".format, metrics, runs)
        compared = " - ".join(labels)
        if not _paired(own):
            found.append(Finding(NOT_PAIRED, _NOTHING, compared))
            continue
        ours = _difference(own, metrics)
        said, slack = verdict(ours)
        found.append(Finding(said, ours, compared, slack))
    return _worst(found)


def _difference(own: Sequence[Scores], metrics: Sequence[str]) -> Estimate:
    """a minus b: unit by unit, or, by two metrics, of the means in every resample."""
    if metrics[0] == metrics[1]:
        return contrast([(1, own[0]), (-1, own[1])], metrics[0]).estimate()
    first, second = (contrast([(1, one)], metric) for one, metric in zip(own, metrics, strict=True))
    one, other = first.estimate(), second.estimate()
    return Estimate(one.mean - other.mean, *statistics.interval(first.means - second.means), min(one.n, other.n))


def _along(statement: Statement, evidence: Evidence, runs: Sequence[str]) -> Finding:
    own = [evidence.scores[run, statement.metric] for run in runs]
    compared = f"{runs[-1]} - {runs[0]}"
    if not _paired(own):
        return Finding(NOT_PAIRED, _NOTHING, compared)
    ours = _difference((own[-1], own[0]), (statement.metric, statement.metric))
    steps = [
        _sign(_difference((after, before), (statement.metric, statement.metric)))
        for before, after in zip(own, own[1:], strict=False)
    ]
    verdict = CONTRADICTED if CONTRADICTED in steps else _sign(ours)
    return Finding(verdict, ours, compared)


def _paired(own: Sequence[Scores]) -> bool:
    return all(one.paired_with(own[0]) for one in own)


def _worst(found: Sequence[Finding]) -> Finding:
    return min(found, key=lambda one: (_WORST.index(one.verdict), one.slack))


def _sign(found: Estimate) -> str:
    return HOLDS if found.low > 0 else CONTRADICTED if found.high < 0 else UNDECIDED


def _within(found: Estimate, margin: float) -> str:
    if -margin <= found.low and found.high <= margin:
        return HOLDS
    return CONTRADICTED if found.low > margin or found.high < -margin else UNDECIDED


def _meets(ours: Estimate, statement: Statement) -> str:
    if np.isnan(ours.low):
        return UNDECIDED
    inside = ours.low <= statement.value + statement.margin and statement.value - statement.margin <= ours.high
    return INSIDE if inside else OUTSIDE
