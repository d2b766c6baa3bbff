"""Why jobs failed, in the words that their own logs end with."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from chrom2expr.job import CAUSES

# Of a log, what may hold its last words.
_TAIL = 1 << 16
# Of a run in which everything fails, these jobs are named.
_NAMED = 10
_LONGEST = 400


class Failed(NamedTuple):
    """A job that failed; `log` is empty if its rule has none."""

    rule: str
    log: str
    wildcards: Mapping[str, str] = {}


def tail(path: str | Path, size: int = _TAIL) -> list[str]:
    """The last lines of a text file, of which `size` bytes are read at most; what is no UTF-8 is replaced.

    The first line is left out where the file begins before it. Raises OSError.
    """
    with open(path, "rb") as handle:
        length = handle.seek(0, 2)
        handle.seek(max(0, length - size))
        lines = handle.read().decode("utf-8", "replace").splitlines()
    return lines[1:] if length > size and len(lines) > 1 else lines


def around(rule: str) -> Path:
    """Where the executor for SLURM keeps what was said around the jobs of a rule, each until it has ended well."""
    return Path(".snakemake/slurm_logs") / f"rule_{rule}"


def cause(log: str | Path) -> str:
    """Why the job of this log ended, in one line; what can be said where the log does not say it.

    >>> cause("no/such.log")
    'no log was written: the job did not begin, and Snakemake says why'
    """
    try:
        lines = [line.strip() for line in tail(log) if line.strip()]
    except OSError:
        return "no log was written: the job did not begin, and Snakemake says why"
    found = next((line for line in reversed(lines) if line.startswith(CAUSES)), None)
    if found:
        return found if len(found) <= _LONGEST else f"{found[:_LONGEST]} …"
    ended = f"; it ends with: {lines[-1][:_LONGEST]}" if lines else ""
    return (
        "the log names no cause, as that of a job that is killed (memory: raise mem_mb; time: raise runtime; a lost "
        f"node: run again), else Snakemake says why{ended}"
    )


def said(failed: Sequence[Failed], report: str) -> str:
    """What to say of a run that failed: each job with its cause and log, and what to do; `report` packs a bug report.

    >>> print(said([Failed("fit_head", "no/such.log", {"head": "ridge"})], "chrom2expr bug-report"))
    1 job failed:
      fit_head (head=ridge)
        no log was written: the job did not begin, and Snakemake says why
        log: no/such.log
    Mend what is said and run the same command again: what is finished stays. docs/troubleshooting.md says more;
    chrom2expr bug-report packs what an issue needs.
    """
    if not failed:
        return (
            "No job failed by itself: the run was stopped, or Snakemake says above what was wrong. The same command "
            "goes on where it was."
        )
    lines = [f"{len(failed):,} job{'s' if len(failed) > 1 else ''} failed:"]
    for one in failed[:_NAMED]:
        named = ", ".join(f"{key}={value}" for key, value in one.wildcards.items())
        lines += [f"  {one.rule}{f' ({named})' if named else ''}"]
        lines += [f"    {cause(one.log)}", f"    log: {one.log}"] if one.log else ["    its rule has no log"]
        if (said_around := around(one.rule)).is_dir():
            lines += [f"    what SLURM said of it: {said_around}/"]
    if len(failed) > _NAMED:
        lines.append(f"  and {len(failed) - _NAMED:,} more")
    lines += [
        "Mend what is said and run the same command again: what is finished stays. docs/troubleshooting.md says more;",
        f"{report} packs what an issue needs.",
    ]
    return "\n".join(lines)


def named_in(lines: Iterable[str]) -> list[Failed]:
    """The jobs that failed in a run, each once, by the lines of Snakemake's own log.

    >>> named_in(["Error in rule fit_head:", "    jobid: 3", "    log: a.log (check log file(s) for error details)"])
    [Failed(rule='fit_head', log='a.log', wildcards={})]
    """
    found: dict[tuple[str, str], None] = {}
    rule = ""
    for line in lines:
        if match := re.fullmatch(r"Error in rule (\w+):|        rule (\w+):", line.rstrip()):
            rule = match[1] or match[2]
        elif rule and (match := re.fullmatch(r"\s+log: (.*?)(, .*)? \(check log file\(s\) for error details\)", line)):
            found[rule, match[1]] = None
            rule = ""
    return [Failed(*one) for one in found]
