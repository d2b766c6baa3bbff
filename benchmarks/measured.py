"""What was measured, where and when, of the targets in targets.tsv; and the table of both in docs/performance.md.

    .venv/bin/python benchmarks/measured.py beluga dry_run     # measure these rows here, on an idle machine
    .venv/bin/python benchmarks/measured.py                    # write the table in docs/performance.md again

A script prints `result: ROW VALUE` for each row that it measures (`result`), and what it prints of others is left out.
The last measurement of a row is kept, in measured.tsv.
"""

import argparse
import csv
import datetime
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PAGE = FOLDER.parent / "docs/performance.md"
TARGETS, MEASURED = FOLDER / "targets.tsv", FOLDER / "measured.tsv"
FIELDS = ("row", "value", "machine", "date")
BEGIN, END = "<!-- benchmarks/measured.py writes what follows -->", "<!-- up to here -->"


def result(row: str, value: float) -> None:
    """Print what was measured of a row of targets.tsv."""
    print(f"result: {row} {value:.3g}", flush=True)


def copied(folder: Path) -> dict[str, str]:
    """Copy the workflow to a folder, without results; the environment to start Snakemake in there, with no profile."""
    for part in ("Snakefile", "workflow", "config", "profiles"):
        source = FOLDER.parent / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / part)
    return {name: value for name, value in os.environ.items() if name != "SNAKEMAKE_PROFILE"}


def read(path: Path) -> dict[str, dict[str, str]]:
    """The rows of a table by their names."""
    with open(path, encoding="utf-8", newline="") as handle:
        return {row["row"]: row for row in csv.DictReader(handle, delimiter="\t")}


def met(target: str, value: float) -> bool:
    """Whether a value reaches a target such as ">= 2".

    >>> met(">= 2", 2.5), met("<= 3", 3.1)
    (True, False)
    """
    sign, bound = target.split()
    return value >= float(bound) if sign == ">=" else value <= float(bound)


def table(targets: dict[str, dict[str, str]], measured: dict[str, dict[str, str]]) -> str:
    """The table of docs/performance.md."""
    lines = ["| stage | against | target | measured | where, when | script |", "|---|---|---|---|---|---|"]
    for name, row in targets.items():
        target, found = row["target"].replace(">=", "≥").replace("<=", "≤"), measured.get(name)
        value = f"{float(found['value']):.3g}" if found else "not measured"
        if found and not met(row["target"], float(found["value"])):
            value += " (missed)"
        where = f"{found['machine']}, {found['date']}" if found else ""
        lines.append(f"| {row['stage']} | {row['against']} | {target} | {value} | {where} | `{row['command']}` |")
    return "\n".join(lines)


def with_table(page: str, text: str) -> str:
    """The page with this table in its place."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}"


def machine() -> str:
    """This machine, as a reader of the table wants to know it."""
    try:
        found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return f"{os.cpu_count()} cores of an {found[1].strip() if found else platform.processor()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    targets = read(TARGETS)
    # argparse holds no rows at all, an empty list, against the choices too.
    parser.add_argument("rows", nargs="*", choices=[*targets, []], metavar="ROW")
    asked = parser.parse_args().rows
    measured = read(MEASURED)
    for command in dict.fromkeys(targets[row]["command"] for row in asked):
        print(f"== {command}", flush=True)
        script, *options = shlex.split(command)
        done = subprocess.run(
            [sys.executable, FOLDER / script, *options], check=False, text=True, stdout=subprocess.PIPE
        )
        print(done.stdout)
        for row, value in re.findall(r"^result: (\w+) (\S+)$", done.stdout, re.MULTILINE):
            if row in asked:
                today = datetime.date.today().isoformat()
                measured[row] = {"row": row, "value": value, "machine": machine(), "date": today}
    with open(MEASURED, "w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, FIELDS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(measured[row] for row in targets if row in measured)
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), table(targets, measured)), encoding="utf-8")


if __name__ == "__main__":
    main()
