"""One run of the shrunk demo that nothing disturbs, for all tests that take a copy of one or compare with it.

    python tests/undisturbed.py FOLDER

leaves it in a folder, unless it is there.
"""

import subprocess
import sys
from pathlib import Path

from filelock import FileLock

import dry_runs
from planned_jobs import clean_copy

RESULTS, RESOURCES = "results/demo", "resources/demo"
TARGET = f"{RESULTS}/figures/shrunk.tsv"
OPTIONS = ("--cores", "2", "--resources", "gpu=2", "--configfile", "config/demo.yaml", "tests/shrunk_demo.yaml")


def environment(**changes):
    """That of a run of the shrunk demo; None takes a variable away."""
    return dry_runs.environment(**{"OMP_NUM_THREADS": "1", "PYTHONPATH": "workflow/scripts"} | changes)


def undisturbed(folder):
    """A copy of the repository with the results of such a run; who comes second waits for the first."""
    folder = Path(folder)
    done = folder.with_name(f"{folder.name}.done")
    with FileLock(f"{folder}.lock"):
        if not done.exists():
            command = [sys.executable, "-m", "snakemake", TARGET, *OPTIONS]
            ran = subprocess.run(
                command, cwd=clean_copy(folder), env=environment(), check=False, capture_output=True, text=True
            )
            assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-6000:]
            done.touch()
    return folder


if __name__ == "__main__":
    undisturbed(sys.argv[1])
