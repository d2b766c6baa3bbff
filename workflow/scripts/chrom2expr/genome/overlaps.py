"""Where windows around TSSs lie in a genome, and which of them overlap.

All coordinates are 0-based half-open. A window is what of it lies within its contig: what is past the ends is N, which
no two genes have in common.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from chrom2expr.genome.windows import Geometry

# Windows that are held against all others of their contig at a time.
_BLOCK = 1024


def spans(located: pd.DataFrame, geometry: Geometry, contigs: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Start and end, (gene,) int64 each, of the sequence around each TSS, cut at the ends of its contig.

    `located`: see genes.locate; `contigs`: {name: length in bp}, which has all of its contigs.

    >>> gene = pd.DataFrame({"chrom": ["chr1"], "tss": [3], "strand": ["+"]})
    >>> spans(gene, Geometry.centred(10, 1, 10), {"chr1": 6})
    (array([0]), array([6]))
    """
    before = np.where(located["strand"] == "+", geometry.tss_index_plus, geometry.tss_index_minus)
    start = located["tss"].to_numpy(dtype=np.int64) - before
    length = located["chrom"].map(contigs).to_numpy(dtype=np.int64)
    return np.clip(start, 0, length), np.clip(start + geometry.sequence_length, 0, length)


def largest(
    chrom: np.ndarray, start: np.ndarray, end: np.ndarray, of: np.ndarray, among: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each window `of` (window,) the one `among` others (other,) that covers most of it; numbers into `chrom`.

    Returns the bp that both cover (window,) and which window that is (window,), -1 where none overlaps. Of several the
    first `among` them counts.
    """
    shared, where = np.zeros(len(of), dtype=np.int64), np.full(len(of), -1, dtype=np.int64)
    for name in np.unique(chrom[of].astype(str)):
        others = among[chrom[among] == name]
        rows = np.flatnonzero(chrom[of] == name)
        for first in range(0, len(rows) if len(others) else 0, _BLOCK):
            some = rows[first : first + _BLOCK]
            ends = np.minimum(end[of[some], None], end[others])
            common = ends - np.maximum(start[of[some], None], start[others])
            best = common.argmax(axis=1)
            shared[some] = np.maximum(common[np.arange(len(some)), best], 0)
            where[some] = np.where(shared[some] > 0, others[best], -1)
    return shared, where


def at_one_tss(chrom: np.ndarray, tss: np.ndarray, of: np.ndarray, among: np.ndarray) -> np.ndarray:
    """For each gene `of` (gene,) the first `among` others with its TSS, on either strand, or -1; numbers into `chrom`.

    >>> at_one_tss(np.array(["1", "1", "2"]), np.array([5, 5, 5]), np.array([0, 2]), np.array([1])).tolist()
    [1, -1]
    """
    first: dict[tuple[str, int], int] = {}
    for gene in among.tolist():
        first.setdefault((chrom[gene], int(tss[gene])), gene)
    return np.array([first.get((chrom[gene], int(tss[gene])), -1) for gene in of.tolist()], dtype=np.int64)
