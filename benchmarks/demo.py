"""Minutes of the demo, all figures and its variants, from a clean copy of the repository; and what its jobs took.

    .venv/bin/python benchmarks/demo.py [--cores 2]

Prints the minutes, and by rule how many jobs there were, their seconds in all and the processor's seconds in them.
"""

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from measured import copied, result


def spent(folder: Path) -> list[tuple[str, int, float, float]]:
    """(rule, jobs, seconds, seconds of the processor) of all finished jobs, the longest rule first."""
    jobs, seconds, computed = Counter(), Counter(), Counter()
    for path in folder.rglob("*.tsv"):
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        with open(path, encoding="utf-8") as handle:
            for row in csv.DictReader(handle, delimiter="\t"):
                jobs[rule] += 1
                seconds[rule] += float(row["s"])
                computed[rule] += float(row["cpu_time"])
    return [(rule, jobs[rule], taken, computed[rule]) for rule, taken in seconds.most_common()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=2)
    cores = str(parser.parse_args().cores)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = copied(folder) | {"OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "snakemake", "--cores", cores, "--resources", f"gpu={cores}", "--quiet", "all"]
        started = time.perf_counter()
        subprocess.run([*command, "--configfile", "config/demo.yaml"], cwd=folder, check=True, env=environment)
        minutes = (time.perf_counter() - started) / 60
        print(f"{'rule':>24}{'jobs':>6}{'seconds':>10}{'processor':>11}")
        for rule, jobs, seconds, computed in spent(folder / "results/demo/benchmarks"):
            print(f"{rule:>24}{jobs:>6}{seconds:>10.1f}{computed:>11.1f}")
    print(f"{minutes:.1f} minutes on {cores} cores")
    result("demo", minutes)


if __name__ == "__main__":
    main()
