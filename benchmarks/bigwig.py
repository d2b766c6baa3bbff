"""Our bigWig binning against pyBigWig's two ways, on a file made here: milliseconds a window, ratios, equality.

Run: python benchmarks/bigwig.py
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyBigWig

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

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


def clocked(function, *arguments):
    started = time.perf_counter()
    return function(*arguments), time.perf_counter() - started


def main() -> None:
    start = np.sort(np.random.default_rng(1).integers(0, LENGTH - WIDTH, GENES))
    print(f"{GENES} windows of {BINS} x {SIZE} bp; milliseconds a window, and how many times ours that is")
    print(f"{'mean interval':>15}{'ours':>9}{'values, sum':>20}{'stats(exact=True)':>22}{'largest difference':>21}")
    with tempfile.TemporaryDirectory() as folder:
        for mean_interval in (10, 50, 500):
            path = Path(folder) / "x.bw"
            write(path, mean_interval)
            with BigWig(path, {"chr1": LENGTH}, ["chr1"]) as ours, pyBigWig.open(str(path)) as file:
                spans = merge_windows(np.full(GENES, "chr1"), start, WIDTH)
                (sums, _), first = clocked(ours.sums, spans, start, BINS, SIZE)
                first /= GENES
                plain, second = clocked(lambda: [by_values(file, low) for low in start.tolist()])
                second /= GENES
                exact, third = clocked(lambda: [by_statistics(file, low) for low in start[:EXACT].tolist()])
                third /= EXACT
            largest = np.abs(sums[:EXACT] - np.array(exact)).max() / np.max(exact)
            assert largest < 1e-5 and np.allclose(sums, plain, rtol=1e-5, atol=1e-4), largest
            others = f"{second * 1e3:12.2f} {second / first:6.1f}x{third * 1e3:13.1f} {third / first:7.0f}x"
            print(f"{mean_interval:>12} bp{first * 1e3:9.2f}{others}{largest:21.0e}")


if __name__ == "__main__":
    main()
