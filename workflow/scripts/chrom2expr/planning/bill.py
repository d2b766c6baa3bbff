"""The bill of a run: jobs, downloads, disk, hours and memory, for the console and as a page."""

import math
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from chrom2expr.files.pages import Table, write_page
from chrom2expr.planning import amounts, rates, schedule
from chrom2expr.planning.jobs import Job

# Log and benchmark files of a job.
_NOTES = 3_000
# Rules that do what another does, at its rates.
_AS = {"fit_tissues": "fit_head"}
_SIZES = ("bytes", "kB", "MB", "GB", "TB", "PB")


class Cost(NamedTuple):
    """What a job takes, or took: seconds and bytes are NaN where not known; `basis` says where its seconds are from."""

    job: Job
    of: str  # the type of what it works with, empty if its rate is the rule's
    seconds: float
    written: float
    tflop: float
    device: str
    basis: str
    max_rss: float  # MB, of jobs that are done; NaN for others


class Bill(NamedTuple):
    """All costs, in the order of the run, with what holds for the whole of it; times in seconds, sizes in bytes."""

    costs: list[Cost]
    cores: int
    wall: float  # of all jobs whose length is known
    wall_left: float  # of those of them still to do
    wall_asked: float  # of all still to do, where those of unknown length take what they ask of a cluster
    on_disk: float
    peak: float  # of results and resources together
    left: float  # what is to be written yet, at the peak
    short: list[tuple[str, float, float]]  # disks that are too small: folder, bytes free, bytes needed
    assumed: list[str]


def draw_up(
    config: Mapping[str, Any], jobs: Sequence[Job], table: str | Path, cores: int, gpus: int | None = None
) -> Bill:
    """The bill of these jobs, with a config that is checked and whose folds are spread, by a table of rates.

    What jobs took here, which their benchmark files say, goes before the table: for themselves, and for other jobs of
    the same rule and type. Raises InputError for a table that cannot be read.
    """
    known, counts = rates.read_rates(table), amounts.count(config, list(jobs))
    rules = {*_AS, *(rule for rule, _ in known)}
    costs = []
    for job in jobs:
        # In a module a rule may have a prefix.
        rule = max((name for name in rules if job.rule.endswith(name)), key=len, default=job.rule)
        rule = _AS.get(rule, rule)
        work, ways = amounts.amounts(job, config, counts), amounts.types(job, config)
        of = next((way for way in ways if (rule, way) in known), ways[0])
        costs.append(_cost(job, of, known.get((rule, of)), work, config))
    costs = _by_what_was_measured(costs)
    disks = [_disk(job.output[0]) for job in jobs]
    written = [_or_zero(cost.written) for cost in costs]
    times = [_or_zero(cost.seconds) for cost in costs]
    everything = [job._replace(to_do=True) for job in jobs]
    wall, _ = schedule.simulate(everything, times, written, disks, cores, gpus)
    wall_left, _ = schedule.simulate(jobs, times, written, disks, cores, gpus)
    asked = [60.0 * cost.job.runtime if math.isnan(cost.seconds) else cost.seconds for cost in costs]
    wall_asked, peaks = schedule.simulate(jobs, asked, written, disks, cores, gpus)
    on_disk = sum(size for size, job in zip(written, jobs, strict=True) if not job.to_do)
    left = sum(peaks.values())
    short = [(folder, free, peaks[disk]) for disk, folder, free in _free(jobs, disks, peaks) if free < peaks[disk]]
    return Bill(costs, cores, wall, wall_left, wall_asked, on_disk, on_disk + left, left, short, counts.assumed)


def _cost(job: Job, of: str, rate: rates.Rate | None, work: Mapping[str, float], config: Mapping[str, Any]) -> Cost:
    """By the table; a job that is done left what lies there."""
    device = rate.device if rate else "gpu" if job.gpus and not config["allow_cpu"] else "cpu"
    seconds = rates.seconds(rate, work) if rate else math.nan
    basis = rates.UNKNOWN if rate is None or math.isnan(seconds) else rate.source
    written = rates.written(rate, work) + _NOTES if rate else math.nan
    if not job.to_do:
        written = float(sum(map(_size, job.output)))
    tflop = rate.tflop * rates.units(rate.per, work) if rate and rate.tflop else math.nan
    return Cost(job, of, seconds, written, tflop, device, basis, math.nan)


def _by_what_was_measured(costs: Sequence[Cost]) -> list[Cost]:
    """Put in what jobs took here; other jobs of the rule and type are scaled by it, or take the mean without a rate."""
    took = [rates.measured(cost.job) if not cost.job.to_do else None for cost in costs]
    groups: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for cost, ran in zip(costs, took, strict=True):
        if ran:
            groups.setdefault((cost.job.rule, cost.of), []).append((ran.seconds, cost.seconds))
    found = []
    for cost, ran in zip(costs, took, strict=True):
        group = groups.get((cost.job.rule, cost.of))
        if group:
            here, expected = (sum(column) for column in zip(*group, strict=True))
            scaled = here / len(group) if math.isnan(expected) or not expected else cost.seconds * here / expected
            basis = f"measured here, {len(group)} jobs" if len(group) > 1 else "measured here, 1 job"
            cost = cost._replace(seconds=ran.seconds if ran else scaled, basis=basis)
            cost = cost._replace(max_rss=ran.max_rss if ran else math.nan)
        found.append(cost)
    return found


def _size(path: str) -> int:
    """Bytes of a file or a folder; 0 if it is not there. A link counts nothing: what it names is somebody else's."""
    if os.path.islink(path) or not os.path.exists(path):
        return 0
    files: Iterable[Path] = Path(path).rglob("*") if os.path.isdir(path) else [Path(path)]
    return sum(file.lstat().st_size for file in files if file.is_file() and not file.is_symlink())


def _standing(path: str) -> Path:
    """The nearest folder above a path that is there."""
    return next(folder for folder in Path(path).absolute().parents if folder.is_dir())


def _disk(path: str) -> int:
    return _standing(path).stat().st_dev


def _free(jobs: Sequence[Job], disks: Sequence[int], peaks: Mapping[int, float]) -> Iterator[tuple[int, str, float]]:
    """Number, a folder and free bytes of each disk that is to be written to."""
    for disk in peaks:
        folder = _standing(jobs[disks.index(disk)].output[0])
        yield disk, str(folder), shutil.disk_usage(folder).free


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def summary(bill: Bill) -> list[str]:
    """The bill in a few lines, with a warning for every disk that is too small."""
    left = [cost for cost in bill.costs if cost.job.to_do]
    fetched = [cost for cost in left if cost.job.rule.endswith("download")]
    size = shown_size(sum(_or_zero(cost.written) for cost in fetched))
    of = f"with {bill.cores} core{'s' * (bill.cores > 1)}"
    lines = [
        f"Jobs: {len(bill.costs):,}, {len(left):,} of them still to do, {len(fetched):,} of these downloads ({size}"
        + (" and what is unknown)" if any(math.isnan(cost.written) for cost in fetched) else ")"),
        f"Disk: {shown_size(bill.peak)} at the peak, {shown_size(bill.left)} of it still to be written",
    ]
    if unsized := sum(math.isnan(cost.written) for cost in left):
        lines[-1] += f", and what {unsized:,} jobs of unknown size leave"
    for device in ("cpu", "gpu"):
        if any(cost.device == device for cost in bill.costs):
            lines.append(f"{device.upper()}: {_hours(bill.costs, device)} in all, {_hours(left, device)} still to do")
    lines.append(f"Wall time {of}: {shown_time(bill.wall)} in all, {shown_time(bill.wall_left)} still to do")
    if unknown := [cost for cost in left if math.isnan(cost.seconds)]:
        tflop = sum(_or_zero(cost.tflop) for cost in unknown)
        lines[-1] += (
            f", without {len(unknown):,} jobs of unknown length; {shown_time(bill.wall_asked)} at most, if these"
        )
        lines[-1] += " take all the time that they ask of a cluster"
    if unknown and tflop:
        lines.append(f"Work of unknown length: {_rounded(tflop):,.0f} TFLOP, as far as they are counted")
    for folder, free, needed in bill.short:
        lines.append(
            f"WARNING: the disk of {folder} is too small: {shown_size(free)} are free, {shown_size(needed)} are needed"
        )
    return lines


def _hours(costs: Sequence[Cost], device: str) -> str:
    """Hours of cores or GPUs that jobs hold; training counts all its epochs, and so takes at most this."""
    mine = [cost for cost in costs if cost.device == device]
    unknown = sum(math.isnan(cost.seconds) for cost in mine)
    hours = sum(_or_zero(_busy(cost)) for cost in mine) / 3600
    if mine and unknown == len(mine):
        return f"unknown hours ({unknown:,} jobs)"
    return f"{hours:,.3g} hours" + (f" and {unknown:,} jobs of unknown length" if unknown else "")


def _busy(cost: Cost) -> float:
    """Seconds of cores, or of GPUs, that a job holds."""
    return cost.seconds * (cost.job.threads if cost.device == "cpu" else max(cost.job.gpus, 1))


def write(path: str | Path, bill: Bill) -> None:
    """Write the bill as a page: the summary, the stages, the downloads, and the work whose rate is unknown."""
    text = [
        *summary(bill),
        "Training counts every epoch and grid point that the config allows: it ends earlier where validation no longer "
        "improves. Disk is what jobs leave, at its most: what is temporary goes when the jobs that read it are done.",
        *(f"Assumed: {line}." for line in bill.assumed),
    ]
    tables = [_stages(bill.costs), _downloads(bill.costs)]
    if any(math.isnan(cost.seconds) for cost in bill.costs):
        tables.append(_unknown(bill.costs))
    write_page(path, "What this run takes", text, tables)


def _grouped(costs: Sequence[Cost]) -> Iterator[tuple[str, str, list[Cost]]]:
    groups: dict[tuple[str, str], list[Cost]] = {}
    for cost in costs:
        groups.setdefault((cost.job.rule, cost.of), []).append(cost)
    for (rule, of), group in groups.items():
        yield rule, of, group


def _stages(costs: Sequence[Cost]) -> Table:
    header = ["stage", "of", "jobs", "to do", "seconds a job", "core hours", "GPU hours", "memory asked, MB"]
    header += ["memory measured, MB", "written, MB", "rate from"]
    rows = []
    for rule, of, group in _grouped(costs):
        hours = {
            device: sum(_busy(cost) for cost in group) / 3600 if group[0].device == device else math.nan
            for device in ("cpu", "gpu")
        }
        seconds = sum(cost.seconds for cost in group) / len(group)
        asked, seen = max(cost.job.mem_mb for cost in group), [cost.max_rss for cost in group if cost.max_rss >= 0]
        numbers = [seconds, hours["cpu"], hours["gpu"], asked or math.nan, max(seen, default=math.nan)]
        size = sum(cost.written for cost in group) / 1e6
        to_do = sum(cost.job.to_do for cost in group)
        rows.append([rule, of, len(group), to_do, *map(_rounded, (*numbers, size)), group[0].basis])
    return Table("Stages, in the order of the run", header, rows, {rates.UNKNOWN: "bad"})


def _downloads(costs: Sequence[Cost]) -> Table:
    rows = [
        [cost.job.wildcards.get("resource", ""), cost.job.output[0], _rounded(cost.written / 1e6)]
        + ["to be fetched" if cost.job.to_do else "there"]
        for cost in costs
        if cost.job.rule.endswith("download")
    ]
    return Table("Downloads", ["resource", "file", "MB, unpacked", "state"], rows, {"there": "good"})


def _unknown(costs: Sequence[Cost]) -> Table:
    rows = [
        [rule, of, len(group), sum(cost.job.to_do for cost in group), _rounded(sum(cost.tflop for cost in group))]
        + [" ".join(dict.fromkeys(cost.device for cost in group))]
        for rule, of, group in _grouped(costs)
        if any(math.isnan(cost.seconds) for cost in group)
    ]
    caption = "Work whose rate is unknown, until a job of it has run here"
    return Table(caption, ["stage", "of", "jobs", "to do", "TFLOP", "device"], rows)


def _rounded(value: float) -> float:
    """To three digits: the rest of an estimate is noise."""
    return float(f"{value:.3g}")


def shown_size(size: float) -> str:
    """Bytes as they are read.

    >>> [shown_size(size) for size in (999, 1_234_000, 217e9)]
    ['999 bytes', '1.23 MB', '217 GB']
    """
    power = min(int(math.log10(size) // 3), len(_SIZES) - 1) if size >= 1 else 0
    return f"{size / 1000**power:.3g} {_SIZES[power]}"


def shown_time(seconds: float) -> str:
    """Seconds as they are read.

    >>> [shown_time(seconds) for seconds in (12, 600, 10_000, 500_000)]
    ['12 s', '10 minutes', '2.8 hours', '5.8 days']
    """
    for length, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{float(f'{seconds / length:.2g}'):g} {name}"
    return f"{seconds:.0f} s"
