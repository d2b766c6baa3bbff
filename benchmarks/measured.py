"""What was measured, where and when, of the targets in targets.tsv; and table and drawing of both in docs/performance.md.

    .venv/bin/python benchmarks/measured.py beluga dry_run     # measure these rows here, on an idle machine
    .venv/bin/python benchmarks/measured.py                    # write table and drawing again

A script prints `result: ROW VALUE` for each row that it measures (`result`), and what it prints of others is left out.
The last measurement of a row is kept, in measured.tsv, and the former one where its script fails.
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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = Path(__file__).resolve().parent
PAGE = FOLDER.parent / "docs/performance.md"
DRAWING = PAGE.with_suffix(".png")
TARGETS, MEASURED = FOLDER / "targets.tsv", FOLDER / "measured.tsv"
FIELDS = ("row", "value", "machine", "date")
# Flags of a processor, the widest first.
WIDTHS = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512, bfloat16", "avx512f": "AVX-512", "avx2": "AVX2"}
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


def share(target: str, value: float) -> float:
    """A value as a share of a target such as ">= 2", which it reaches from 1 on.

    >>> share(">= 2", 2.5), share("<= 3", 4)
    (1.25, 0.75)
    """
    sign, bound = target.split()
    return value / float(bound) if sign == ">=" else float(bound) / value


def _sign(target: str) -> str:
    """A target as readers write it."""
    return target.replace(">=", "≥").replace("<=", "≤")


def table(targets: dict[str, dict[str, str]], measured: dict[str, dict[str, str]]) -> str:
    """The table of docs/performance.md."""
    lines = ["| stage | against | target | measured | where, when | script |", "|---|---|---|---|---|---|"]
    for name, row in targets.items():
        found = measured.get(name)
        value = f"{float(found['value']):.3g}" if found else "not measured"
        if found and share(row["target"], float(found["value"])) < 1:
            value += " (missed)"
        where = f"{found['machine']}, {found['date']}" if found else ""
        target = _sign(row["target"])
        lines.append(f"| {row['stage']} | {row['against']} | {target} | {value} | {where} | `{row['command']}` |")
    return "\n".join(lines)


def draw(targets: dict[str, dict[str, str]], measured: dict[str, dict[str, str]]) -> "Figure":
    """Each row's share of its target."""
    # Not above: all benchmarks import this module, and some measure memory.
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator

    shares = {name: share(targets[name]["target"], float(row["value"])) for name, row in measured.items()}
    figure = Figure(figsize=(7, 0.7 + 0.3 * len(targets)), layout="constrained")
    axes = figure.subplots()
    for place, (name, row) in enumerate(targets.items()):
        if name not in measured:
            axes.text(1.06, place, "not measured", va="center", size=7, color="grey")
            continue
        value, reached = float(measured[name]["value"]), shares[name]
        colour = "tab:blue" if reached >= 1 else "tab:orange"
        axes.hlines(place, min(reached, 1), max(reached, 1), colour, linewidth=1)
        axes.plot(reached, place, "o", color=colour, markersize=4)
        side = 1 if reached >= 1 else -1
        axes.annotate(
            f"{value:.3g} ({_sign(row['target'])})", (reached, place), (5 * side, 0), textcoords="offset points",
            va="center", ha="left" if side > 0 else "right", size=7,
        )  # fmt: skip
    axes.axvline(1, color="black", linewidth=0.8, zorder=0)
    labels = [
        row["stage"] + (f"\nagainst {row['against']}" if row["against"] != "-" else "") for row in targets.values()
    ]
    axes.set_yticks(range(len(targets)), labels, size=6.5)
    axes.set_ylim(len(targets) - 0.4, -0.6)
    axes.set_xscale("log")
    axes.set_xlim(
        min(shares.values(), default=1) / 4, max(shares.values(), default=1) * 4
    )  # the values stand beside them
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="x", labelsize=7)
    axes.set_xlabel("share of the target; the value, and its target (blue: reached, orange: missed)", size=7)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def with_table(page: str, text: str) -> str:
    """The page with this table in its place."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}"


def machine() -> str:
    """This machine, as a reader of the table wants to know it: its processor, and how wide that computes."""
    try:
        said = dict(
            re.findall(
                r"^(model name|flags)\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE
            )
        )
    except OSError:
        said = {}
    widest = [name for flag, name in WIDTHS.items() if flag in said.get("flags", "").split()]
    width = f" ({widest[0]})" if widest else ""
    return f"{os.cpu_count()} cores of an {said.get('model name', platform.processor()).strip()}{width}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    targets = read(TARGETS)
    # argparse holds no rows at all, an empty list, against the choices too.
    parser.add_argument("rows", nargs="*", choices=[*targets, []], metavar="ROW")
    asked = parser.parse_args().rows
    measured = {row: found for row, found in read(MEASURED).items() if row in targets}
    failed = []
    for command in dict.fromkeys(targets[row]["command"] for row in asked):
        print(f"== {command}", flush=True)
        script, *options = shlex.split(command)
        done = subprocess.run(
            [sys.executable, FOLDER / script, *options], check=False, text=True, stdout=subprocess.PIPE
        )
        print(done.stdout, flush=True)
        found = dict(re.findall(r"^result: (\w+) (\S+)$", done.stdout, re.MULTILINE))
        wanted = [row for row in asked if targets[row]["command"] == command]
        if done.returncode or not found.keys() >= {*wanted}:
            failed += wanted
            continue
        today = datetime.date.today().isoformat()
        measured |= {row: {"row": row, "value": found[row], "machine": machine(), "date": today} for row in wanted}
    with open(MEASURED, "w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, FIELDS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(measured[row] for row in targets if row in measured)
    text = table(targets, measured)
    # What it shows is kept in it, so that a test sees one that is out of date.
    draw(targets, measured).savefig(DRAWING, dpi=150, metadata={"Description": text})
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
    if failed:
        sys.exit(f"not measured, since its script failed or gave no result: {', '.join(failed)}")


if __name__ == "__main__":
    main()
