"""Our bigWig binning against pyBigWig's two ways and pybigtools, on files made here: ms a window, ratios, equality.

Run: python benchmarks/bigwig.py
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pybigtools
import pyBigWig

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from measured import result

from chrom2expr.tracks.bigwig import BigWig, merge_windows

BINS, SIZE = 896, 128
WIDTH = BINS * SIZE
LENGTH = 20_000_000
GENES = 200  # ten a megabase, about as dense as on a human chromosome
EXACT = 10  # of them by the slow way


def write(path: Path, mean_interval: int) -> None:
    """A contig covered by intervals of random length and value, a tenth of them holes."""
    rng = np.random.default_rng(0)
    edges = np.unique(np.append(rng.integers(0, LENGTH, LENGTH // mean_interval), [0, LENGTH]))
    kept = np.flatnonzero(rng.random(len(edges) - 1) > 0.1)
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader([("chr1", LENGTH)])
        starts, ends, values = edges[kept].tolist(), edges[kept + 1].tolist(), rng.gamma(0.5, 4, len(kept)).tolist()
        file.addEntries(["chr1"] * len(kept), starts, ends=ends, values=values)


def by_statistics(file: pyBigWig.pyBigWig, start: int) -> np.ndarray:
    found = file.stats("chr1", start, start + WIDTH, type="sum", nBins=BINS, exact=True)
    return np.array([0 if value is None else value for value in found])


def by_values(file: pyBigWig.pyBigWig, start: int) -> np.ndarray:
    return np.nan_to_num(file.values("chr1", start, start + WIDTH, numpy=True)).reshape(BINS, SIZE).sum(1)


def by_pybigtools(file: pybigtools.BBIReader, start: int) -> np.ndarray:
    return file.values("chr1", start, start + WIDTH, bins=BINS, summary="sum", exact=True, fillna=0)


def clocked(function, *arguments):
    started = time.perf_counter()
    return function(*arguments), time.perf_counter() - started


def main() -> None:
    start = np.sort(np.random.default_rng(1).integers(0, LENGTH - WIDTH, GENES))
    print(f"{GENES} windows of {BINS} x {SIZE} bp; milliseconds a window, and how many times ours that is")
    names = ["ours", "values, sum", "stats(exact=True)", "pybigtools"]
    print(f"{'mean interval':>15}" + "".join(f"{name:>22}" for name in names))
    ratios: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        for mean_interval in (10, 50, 500):
            path = Path(folder) / "x.bw"
            write(path, mean_interval)
            seconds = {}
            with BigWig(path, {"chr1": LENGTH}, ["chr1"]) as ours, pyBigWig.open(str(path)) as file:
                spans = merge_windows(np.full(GENES, "chr1"), start, WIDTH)
                (sums, _), spent = clocked(ours.sums, spans, start, BINS, SIZE)
                seconds["ours"] = spent / GENES
                plain, spent = clocked(lambda: [by_values(file, low) for low in start.tolist()])
                seconds["values, sum"] = spent / GENES
                exact, spent = clocked(lambda: [by_statistics(file, low) for low in start[:EXACT].tolist()])
                seconds["stats(exact=True)"] = spent / EXACT
            other = pybigtools.open(str(path))
            summed, spent = clocked(lambda: [by_pybigtools(other, low) for low in start.tolist()])
            seconds["pybigtools"] = spent / GENES
            for values in (plain, exact, summed):
                assert np.allclose(sums[: len(values)], np.array(values), rtol=1e-5, atol=1e-3)
            line = f"{mean_interval:>12} bp"
            for name, spent in seconds.items():
                ratios[name].append(spent / seconds["ours"])
                line += f"{spent * 1e3:14.2f} {ratios[name][-1]:6.1f}x"
            print(line)
    result("bigwig_values", min(ratios["values, sum"]))
    result("bigwig_pybigtools", min(ratios["pybigtools"]))


if __name__ == "__main__":
    main()
