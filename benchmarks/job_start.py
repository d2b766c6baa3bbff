"""What the start of a job costs: until the first line of its log, and until its script has imported all that it uses.

    .venv/bin/python benchmarks/job_start.py [--scripts]

The first is that of a script which Snakemake starts, and which does nothing; it is the same for all. The second, with
`--scripts`, is that of each script of workflow/scripts, by a process that only imports what the script does; those of
the classes that it finds by name come on top. Prints seconds, the fastest of three.
"""

import argparse
import ast
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measured import result

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow/scripts"
SNAKEFILE = """
rule nothing:
    output: "made"
    log: "log"
    script: "nothing.py"
"""
NOTHING = f"""
import os
import sys

import psutil

sys.path.insert(0, {str(SCRIPTS)!r})
from chrom2expr.job import job

with job(snakemake) as call:
    took = os.stat(snakemake.log[0]).st_mtime - psutil.Process().create_time()
    open(snakemake.output[0], "w").write(str(took))
"""


def first_line() -> float:
    """Seconds from the start of a script's process to the first line of its log."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "nothing.py").write_text(NOTHING, encoding="utf-8")
        (folder / "Snakefile").write_text(SNAKEFILE, encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", "--cores", "1", "--quiet", "all"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        return float((folder / "made").read_text(encoding="utf-8"))


def imports(script: Path) -> str:
    """The import statements of a script."""
    found = [
        node
        for node in ast.walk(ast.parse(script.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    return "\n".join(map(ast.unparse, found))


def importing(statements: str) -> float:
    """Seconds of a process that imports this and nothing else."""
    started = time.perf_counter()
    code = f"import sys; sys.path.insert(0, {str(SCRIPTS)!r})\n{statements}"
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scripts", action="store_true")
    repeats = range(3)
    given = parser.parse_args()
    result("job_start", min(first_line() for _ in repeats))
    print(f"Python alone: {min(importing('') for _ in repeats):.2f} s")
    for script in sorted(SCRIPTS.glob("*.py")) if given.scripts else []:
        statements = imports(script)
        print(f"{script.stem}: {min(importing(statements) for _ in repeats):.2f} s", flush=True)


if __name__ == "__main__":
    main()
