"""The page of what a run's jobs took, by rule, beside what they ask of a cluster."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from chrom2expr.files.pages import Table, write_page
from chrom2expr.planning import rates
from chrom2expr.planning.jobs import Job

MORE = "more memory than asked for"
LONGER = "longer than asked for"
UNSEEN = "memory not seen: shorter than it is looked at"
NONE = "no benchmark"
SOME = "some jobs have no benchmark"


class Usage(NamedTuple):
    """A row: how many jobs a rule had, what those with a benchmark file took, and what was asked for, at most.

    Times in seconds, runtime in minutes, memory in MB; NaN where nothing is known.
    """

    rule: str
    jobs: int
    measured: int
    median_s: float
    longest_s: float
    total_s: float
    runtime_asked_min: float
    median_mb: float
    peak_mb: float
    mem_mb_asked: float
    threads: int
    gpus: int
    remark: str


def by_rule(jobs: Sequence[Job]) -> Iterator[Usage]:
    """What the jobs of each rule took here, as their benchmark files say; rules in the order of the run."""
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.rule, []).append(job)
    for rule, group in groups.items():
        took = [(job, measured) for job in group if (measured := rates.measured(job))]
        seconds = [measured.seconds for _, measured in took]
        memory = [measured.max_rss for _, measured in took if not math.isnan(measured.max_rss)]
        asked = [max(job.runtime for job in group), max(job.mem_mb for job in group)]
        remarks = [
            (MORE, any(job.mem_mb and measured.max_rss > job.mem_mb for job, measured in took)),
            (LONGER, any(job.runtime and measured.seconds > 60 * job.runtime for job, measured in took)),
            (NONE, not took),
            (SOME, 0 < len(took) < len(group)),
            (UNSEEN, bool(took) and not memory),
        ]
        yield Usage(
            rule,
            len(group),
            len(took),
            median(seconds) if seconds else math.nan,
            max(seconds, default=math.nan),
            sum(seconds) if seconds else math.nan,
            asked[0] or math.nan,
            median(memory) if memory else math.nan,
            max(memory, default=math.nan),
            asked[1] or math.nan,
            max(job.threads for job in group),
            max(job.gpus for job in group),
            "; ".join(remark for remark, holds in remarks if holds),
        )


def write(path: str | Path, jobs: Sequence[Job]) -> None:
    """Write the page of what these jobs took."""
    rows = list(by_rule(jobs))
    about = [
        f"{sum(row.jobs for row in rows):,} jobs, {sum(row.measured for row in rows):,} of them with a benchmark file, "
        f"which took {sum(row.total_s for row in rows if row.measured) / 3600:.3g} hours in all.",
        "Times are in seconds, but for what is asked for, minutes; memory is in MB. What is asked for is the most "
        "that a job of the rule asks of a cluster; docs/slurm.md says how to change it. A job that was repeated "
        "counts with "
        "its last run. This page's own job is not in it.",
    ]
    header = ["rule", "jobs", "measured", "median, s", "longest, s", "total, s", "asked, min", "median, MB", "peak, MB"]
    header += ["asked, MB", "threads", "GPUs", "remark"]
    marks = {row.remark: "bad" if {MORE, LONGER} & {*row.remark.split("; ")} else "faint" for row in rows if row.remark}
    write_page(path, "Run time and memory", about, [Table("Rules, in the order of the run", header, rows, marks)])
