"""Rates, of the table and measured here: what a job costs in seconds, bytes and operations for its work."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from chrom2expr.errors import InputError
from chrom2expr.files.tables import number, read_table
from chrom2expr.planning.amounts import AMOUNTS
from chrom2expr.planning.jobs import Job

UNKNOWN = "unknown"
# Snakemake's benchmark files count memory in MiB, resources are in MB.
_MIB = 2**20 / 1e6
_NUMBERS = ("seconds", "start_seconds", "tflop", "bytes", "start_bytes")
_COLUMNS = ("rule", "of", "device", "per", "bytes_per", *_NUMBERS, "machine", "date")


class Rate(NamedTuple):
    """What the jobs of a rule take, with one type of what they work with: a start, and so much for a unit of work.

    `per` and `bytes_per` name amounts, whose product is the units. What nobody has measured is NaN.
    """

    device: str  # cpu or gpu
    per: tuple[str, ...]
    seconds: float
    start_seconds: float
    tflop: float
    bytes_per: tuple[str, ...]
    bytes: float
    start_bytes: float
    source: str


class Measured(NamedTuple):
    """What a finished job took, as its benchmark file says: seconds, and the most memory in MB (NaN if not seen)."""

    seconds: float
    max_rss: float


def read_rates(path: str | Path) -> dict[tuple[str, str], Rate]:
    """The table of rates, by rule and type. Raises InputError naming the row that cannot be understood."""
    rates = {}
    for line, row in read_table(path, _COLUMNS, ours=False):
        key = row["rule"], row["of"]
        if key in rates:
            raise InputError(f"{path}, row {line}: {' '.join(key)} is there twice; keep one row")
        if row["device"] not in ("cpu", "gpu"):
            raise InputError(f"{path}, row {line}: device is {row['device']!r}; write cpu or gpu")
        products = {name: tuple(row[name].split()) for name in ("per", "bytes_per")}
        for name in (*products["per"], *products["bytes_per"]):
            if name not in AMOUNTS:
                raise InputError(f"{path}, row {line}: nothing is counted in {name}; known are {', '.join(AMOUNTS)}")
        values = {name: _value(row[name], path, line) for name in _NUMBERS}
        rates[key] = Rate(row["device"], source=_source(row), **products, **values)
    return rates


def _value(cell: str, path: str | Path, line: int) -> float:
    """A number of the table; an empty cell is 0, and NaN stands for what is not known."""
    return math.nan if cell == UNKNOWN else number(float, cell or "0", path, line)


def _source(row: Mapping[str, str]) -> str:
    return ", ".join(row[name] for name in ("machine", "date") if row[name])


def units(per: Sequence[str], amounts: Mapping[str, float]) -> float:
    """The product of these amounts; NaN if one is not known.

    >>> units(("genes", "tracks"), {"genes": 100, "tracks": 4}), units((), {})
    (400, 1)
    """
    return math.prod(amounts.get(name, math.nan) for name in per)


def seconds(rate: Rate, amounts: Mapping[str, float]) -> float:
    """Seconds of a job at this rate; NaN if that is not known."""
    return rate.start_seconds + (rate.seconds * units(rate.per, amounts) if rate.seconds else 0.0)


def written(rate: Rate, amounts: Mapping[str, float]) -> float:
    """Bytes that a job leaves at this rate; NaN if that is not known."""
    return rate.start_bytes + (rate.bytes * units(rate.bytes_per, amounts) if rate.bytes else 0.0)


def measured(job: Job) -> Measured | None:
    """What a job took when it ran here; None if its benchmark file is not there, or is broken off."""
    try:
        with open(job.benchmark, encoding="utf-8", newline="") as file:
            row = next(csv.DictReader(file, delimiter="\t"))
        return Measured(float(row["s"]), _number(row["max_rss"]) * _MIB)
    except (OSError, StopIteration, KeyError, ValueError):
        return None


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan
