"""What a dry run costs: of all the thesis's figures, and of figures of 125, 500 and 2,000 runs.

    .venv/bin/python benchmarks/dry_run.py [--runs 125 500 2000]

Each is asked for three times, and the fastest counts; the first call ever also reads the library's files (see
config/source_text.py), and is printed too. Prints seconds, jobs, and the seconds of a run as their number grows: linear
is a ratio of one.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measured import copied, result

REPEATS = 3


def dry_run(folder: Path, environment: dict[str, str], *arguments: str) -> tuple[float, int]:
    """Seconds of a dry run, and the jobs that it plans."""
    command = [sys.executable, "-m", "snakemake", *arguments, "-n", "--quiet", "rules"]
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    took = time.perf_counter() - started
    return took, int(re.search(r"^total\s+(\d+)$", done.stdout + done.stderr, re.MULTILINE)[1])


def overlay(runs: int) -> dict:
    """A config with a figure of so many runs: ridge under as many names."""
    ridge = {"type": "ridge", "features": "spatial_basis", "grid": {"penalty": [1.0]}}
    ridge["select_by"] = "validation_cross_gene"
    heads = {f"ridge_{number}": ridge | {"label": f"Ridge {number}"} for number in range(runs)}
    shown = {"source": "enformer_predicted", "inputs": "chromatin", "head": [*heads], "loss": "mse"}
    figure = {"kind": "scores", "caption": "Many runs.", "metrics": ["cross_gene"], "series": "head", "runs": [shown]}
    return {"heads": heads, "figures": {"many": figure}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[125, 500, 2000])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = copied(folder)

        def fastest(*arguments: str) -> tuple[float, int]:
            return min(dry_run(folder, environment, *arguments) for _ in range(REPEATS))

        first, jobs = dry_run(folder, environment)
        all_figures, _ = fastest()
        print(f"all figures of config/config.yaml, {jobs} jobs: {first:.1f} s the first time, then {all_figures:.1f} s")
        result("dry_run", all_figures)
        seconds = []
        for runs in given.runs:
            (folder / "many.json").write_text(json.dumps(overlay(runs)), encoding="utf-8")
            took, jobs = fastest("results/figures/many.pdf", "--configfile", "many.json")
            seconds.append(took)
            print(f"{runs} runs, {jobs} jobs: {took:.1f} s", flush=True)
    if len(seconds) > 2:
        (low, middle, high), (one, two, three) = given.runs[:3], seconds[:3]
        growth = ((three - two) / (high - middle)) / ((two - one) / (middle - low))
        print(
            f"a further run costs {1e3 * (three - two) / (high - middle):.1f} ms, {growth:.2f} times as much as before"
        )
        result("dry_run_growth", growth)


if __name__ == "__main__":
    main()
