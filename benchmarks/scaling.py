"""How seconds and memory of each stage grow with genes, tracks or tissues: jobs of the demo at three sizes.

    .venv/bin/python benchmarks/scaling.py genes [--factors 1 2 4] [--cores 2] [--rates]

Prints, for each rule and what it works with: its seconds and its peak memory in MB at every size; and `growth`, what a
further unit of work costs between the larger two sizes, as a multiple of that between the smaller two. Work is counted
as config/rates.tsv counts it, so 1 is as the bill of a run foretells, and noise is all there is to see of a rule that
works for less than a second. With `--rates`, what a unit and the start of a job took is written to that table, for the
rules that took a second more for more work.
"""

import argparse
import csv
import json
import math
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from measured import copied, machine

from chrom2expr.config import folds, overlays, schema
from chrom2expr.planning import amounts, bill, jobs, rates

TABLE = Path(__file__).resolve().parents[1] / "config/rates.tsv"
GENES = {"chr1": 120, "chr2": 60, "chr3": 10, "chr8": 60, "chr14": 60, "chrX": 4}
# Of each lineage there are five tracks, and a tissue at least.
LINEAGES, TISSUES = 4, 32
# One of each kind of head, on predicted, measured and embedded sources.
RUNS = (
    "enformer_predicted/chromatin/ridge",
    "enformer_predicted/chromatin/single_cnn",
    "enformer_predicted/chromatin/multi_cnn",
    "enformer_predicted/all/probe",
    "enformer_experimental/chromatin/ridge",
    "beluga_predicted/chromatin/ridge",
    "beluga_experimental/chromatin/ridge",
    "enformer_50kb/embedding/finetuned",
    "enformer_50kb/embedding/frozen",
)
TARGETS = [f"models/{name}/mse/cross_gene.tsv" for name in RUNS]
FOLDERS = ("results", "resources", "logs", "benchmarks")


class Point(NamedTuple):
    """A job's units of work, seconds and peak memory in MB."""

    units: float
    seconds: float
    memory: float


def sized(what: str, factor: int) -> dict[str, Any]:
    """What is laid over the demo's config: so many times as many genes, tracks or tissues, in folders of its own."""
    times = {"genes": 1, "tracks": 1, "tissues": 1} | {what: factor}
    lineages = LINEAGES * times["tracks"]
    genome = {
        "genes": {name: count * times["genes"] for name, count in GENES.items()},
        "lineages": lineages,
        "beluga_lineages": lineages,
        "tissues": TISSUES * times["tissues"],
    }
    head = {"patience": 100}  # else fewer epochs are run where there is more to learn from
    one = head | {"grid": {"learning_rate": [1.5e-3], "dropout": [0.0]}}
    return {
        "pathvars": {name: f"{name}/{what}{factor}" for name in FOLDERS},
        "simulation": {"genome": genome, "variants": {"chr8": 2, "chr14": 2}},
        "heads": {"single_cnn": one, "multi_cnn": one, "finetuned": head, "frozen": head},
    }


def run(environment: Mapping[str, str], overlay: Path, results: str, cores: int) -> None:
    """The runs of RUNS, each up to its scores."""
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        str(cores),
        "--resources",
        f"gpu={cores}",
        "--quiet",
        "all",
    ]
    command += ["--configfile", "config/demo.yaml", str(overlay), "--"]
    command += [f"{results}/{target}" for target in TARGETS]
    subprocess.run(command, check=True, env=environment)


def points(folder: Path, overlay: Path, results: str) -> dict[tuple[str, str], list[Point]]:
    """What each job took, by rule and what it works with, of those whose rate says what their work is counted in."""
    configs = [folder / "config/config.yaml", folder / "config/demo.yaml", overlay]
    config = folds.spread(schema.checked(overlays.read(configs)))
    planned = jobs.planned("Snakefile", configs[1:], {}, [f"{results}/{target}" for target in TARGETS], 1)
    known, counts = rates.read_rates(TABLE), amounts.count(config, planned)
    found: dict[tuple[str, str], list[Point]] = defaultdict(list)
    for cost in bill.draw_up(config, planned, TABLE, 1).costs:
        rate, took = known.get((cost.job.rule, cost.of)), rates.measured(cost.job)
        if rate and rate.per and took:
            units = rates.units(rate.per, amounts.amounts(cost.job, config, counts))
            found[cost.job.rule, cost.of].append(Point(units, took.seconds, took.max_rss))
    return found


def growth(sizes: list[list[Point]]) -> float:
    """What a further unit of work costs between the last two of three sizes, as a multiple of that between the first.

    NaN where there was no more work, or it took no more time.

    >>> growth([[Point(100, 3, 0)], [Point(200, 4, 0)], [Point(400, 7, 0)]])
    1.5
    """
    units, seconds = ([float(np.mean([point[field] for point in size])) for size in sizes] for field in (0, 1))
    if not units[0] < units[1] < units[2]:
        return math.nan
    early, late = ((seconds[i + 1] - seconds[i]) / (units[i + 1] - units[i]) for i in (0, 1))
    return late / early if early > 0 else math.nan


def measurable(sizes: list[list[Point]]) -> bool:
    """Whether further work took more time at every step, and a second in all.

    >>> measurable([[Point(100, 3, 0)], [Point(200, 3.1, 0)], [Point(400, 3.4, 0)]])
    False
    """
    seconds = [float(np.mean([point.seconds for point in size])) for size in sizes]
    return growth(sizes) > 0 and seconds[2] - seconds[0] >= 1


def rate(sizes: list[list[Point]]) -> tuple[float, float]:
    """Seconds of a unit of work, and of a job's start, by least squares; neither is less than 0."""
    every = [point for size in sizes for point in size]
    slope, start = np.polyfit([point.units for point in every], [point.seconds for point in every], 1)
    return max(float(slope), 0.0), max(float(start), 0.0)


def write_rates(found: Mapping[tuple[str, str], tuple[float, float]]) -> None:
    """Put seconds of a unit and of a start into the table of rates, with this machine and day."""
    with open(TABLE, encoding="utf-8", newline="") as handle:
        reader = csv.DictReader(handle, delimiter="\t")
        rows, fields = list(reader), reader.fieldnames
    for row in rows:
        if (row["rule"], row["of"]) in found:
            seconds, start = found[row["rule"], row["of"]]
            row |= {"seconds": f"{seconds:.2g}", "start_seconds": f"{start:.2g}"}
            row |= {"machine": machine(), "date": date.today().isoformat()}
    with open(TABLE, "w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, fields, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["genes", "tracks", "tissues"])
    parser.add_argument("--factors", type=int, nargs=3, default=[1, 2, 4])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--rates", action="store_true", help="write the rates to config/rates.tsv")
    given = parser.parse_args()
    sizes = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = copied(folder) | {"OMP_NUM_THREADS": "1"}
        os.chdir(folder)
        for factor in given.factors:
            overlay, results = folder / f"{given.what}{factor}.yaml", f"results/{given.what}{factor}"
            overlay.write_text(json.dumps(sized(given.what, factor)), encoding="utf-8")
            run(environment, overlay, results, given.cores)
            sizes.append(points(folder, overlay, results))
        os.chdir("/")
    heads = [f"{given.what} x {factor}" for factor in given.factors]
    print(f"{'':>40}" + "".join(f"{head:>14}" for head in heads) + f"{'growth':>8}   peak memory, MB")
    fitted = {}
    for key in sizes[0]:
        of_key = [size[key] for size in sizes]
        if measurable(of_key):
            fitted[key] = rate(of_key)
        line = f"{' '.join(key):>40}" + "".join(
            f"{np.mean([point.seconds for point in size]):>12.1f} s" for size in of_key
        )
        memory = [max(point.memory for point in size) for size in of_key]
        print(line + f"{growth(of_key):>8.2f}   " + " ".join(f"{peak:.0f}" for peak in memory))
    if given.rates:
        write_rates(fitted)


if __name__ == "__main__":
    main()
