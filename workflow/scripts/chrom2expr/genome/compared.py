"""The windows of a split's test genes, held against those of its training and its validation genes."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from chrom2expr.genome import overlaps
from chrom2expr.genome.audits import Compared
from chrom2expr.genome.genes import locate
from chrom2expr.genome.sequences import Genome
from chrom2expr.genome.similarity import nearest, read_kmers, windows_of
from chrom2expr.genome.windows import Geometry

# About how many 31-mers of a window a sample keeps: a share of 0.5 then has a standard error of 0.011.
KEPT = 2000


def sampling(length: int) -> int:
    """One in so many 31-mers is compared in windows of `length` bp, so that about KEPT of each window are.

    >>> sampling(2_000), sampling(41_800), sampling(196_608)
    (1, 20, 98)
    """
    return max(1, length // KEPT)


def compare(
    genes: pd.DataFrame, parts: Mapping[str, str], genome: Genome, assembly: str, geometry: Geometry, sampled: int
) -> list[Compared]:
    """A row for each test gene, in the order of `genes`, those of a tss.tsv with contigs called as in `genome`.

    `parts` says of the genes of a split which part they are in; `geometry` which sequence around a TSS is the window.
    One in `sampled` 31-mers is compared (see similarity.kmers_of).
    """
    genes = genes[genes["gene_id"].isin(parts)].reset_index(drop=True)
    part = genes["gene_id"].map(parts).to_numpy(dtype=str)
    train, val, test = (np.flatnonzero(part == name) for name in ("train", "val", "test"))
    located = locate(genes, assembly)
    chrom, tss = located["chrom"].to_numpy(dtype=object), located["tss"].to_numpy()
    start, end = overlaps.spans(located, geometry, genome.contigs)
    names = np.append(genes["gene_id"].to_numpy(dtype=object), "")  # no gene is -1
    columns = [names[test]]
    for others in (train, val):
        shared, where = overlaps.largest(chrom, start, end, test, others)
        share = shared / np.maximum(end[test] - start[test], 1)
        columns += [names[where], shared, share, names[overlaps.at_one_tss(chrom, tss, test, others)]]
    read = np.concatenate([test, train])
    kmers = read_kmers(windows_of(located.iloc[read], genome, geometry), sampled)
    share, where = nearest(kmers, np.arange(len(test)), np.arange(len(test), len(read)))
    columns += [np.where(share > 0, names[np.append(read, -1)[where]], ""), share]
    return [Compared(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]
