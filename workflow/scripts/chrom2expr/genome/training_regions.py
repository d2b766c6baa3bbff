"""What a backbone was trained on, by the regions of its training data or by the chromosomes that were left out of it.

All coordinates are 0-based half-open.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from chrom2expr.errors import InputError
from chrom2expr.files.csv_rows import open_text
from chrom2expr.genome.bed import fields_of
from chrom2expr.genome.contigs import called, plain, say_renamed
from chrom2expr.genome.genes import some


class Seen(NamedTuple):
    """What a backbone has seen of genes, (gene,) each.

    `tss` bool: whether it was trained on any base of the TSS's bin; `fold`: in which folds that bin is, separated by
    commas, empty if in none; `share` float64: how much of the window's bp it was trained on.
    """

    tss: np.ndarray
    fold: np.ndarray
    share: np.ndarray


class Place(NamedTuple):
    """Where genes lie, (gene,) each: the contig, the window of each, and the bin of its TSS."""

    chrom: np.ndarray
    start: np.ndarray
    end: np.ndarray
    bin_start: np.ndarray
    bin_end: np.ndarray


def read_regions(path: str | Path, contigs: Mapping[str, int]) -> pd.DataFrame:
    """chrom, start, end and fold of a BED of four or more columns, contigs called as in the genome.

    `contigs`: the genome's, {name: length in bp}. Regions on others are passed over and counted. Raises InputError,
    naming file and line, for a line without a fold, a start or end that is no whole number, a stop before the start or
    past the contig's end; and if no region is on a contig of the genome.
    """
    rows, lines = [], []
    with open_text(path, "a BED") as handle:
        for line, text in enumerate(handle, start=1):
            if fields := fields_of(text):
                rows.append(_region(fields, f"{path}, line {line}"))
                lines.append(line)
    names = called({chrom for chrom, *_ in rows}, contigs)
    if not names:
        given = some(dict.fromkeys((chrom for chrom, *_ in rows), 0))
        raise InputError(f"{path}: no region on a contig of the genome ({some(contigs)}), only on {given or 'none'}")
    say_renamed({there: here for here, there in names.items()}, str(path))
    found = []
    for line, (chrom, start, end, fold) in zip(lines, rows, strict=True):
        if chrom in names and end > contigs[names[chrom]]:
            raise InputError(
                f"{path}, line {line}: stops at {end}, but {chrom} is {contigs[names[chrom]]} bp long in the genome. "
                "Is it of another assembly?"
            )
        if chrom in names:
            found.append((names[chrom], start, end, fold))
    if passed := len(rows) - len(found):
        print(f"{path}: {passed:,} of {len(rows):,} regions lie on contigs that the genome lacks, and are passed over")
    return pd.DataFrame(found, columns=["chrom", "start", "end", "fold"])


def _region(fields: Sequence[str], where: str) -> tuple[str, int, int, str]:
    if len(fields) < 4 or not fields[3]:
        raise InputError(f"{where}: has no fold; regions have at least four columns: chrom, start, end and fold")
    for what, text in zip(("start", "end"), fields[1:3]):
        if not (text.isascii() and text.isdecimal()):
            raise InputError(f"{where}: the {what} is '{text}', which is not a whole number")
    if int(fields[2]) <= int(fields[1]):
        raise InputError(f"{where}: stops at {fields[2]}, which is not after its start, {fields[1]}")
    return fields[0], int(fields[1]), int(fields[2]), fields[3]


def by_regions(place: Place, regions: pd.DataFrame, folds: Collection[str]) -> Seen:
    """What was seen of genes by a backbone that was trained on the regions (see read_regions) of these folds.

    Raises InputError for a fold that no region is in.
    """
    if absent := sorted({*folds} - {*regions["fold"]}):
        there = ", ".join(sorted({*regions["fold"]}))
        raise InputError(f"trained_on: folds: no region is in {', '.join(absent)}; the file has the folds {there}")
    share, tss = np.zeros(len(place.chrom)), np.zeros(len(place.chrom), dtype=bool)
    fold = np.full(len(place.chrom), "", dtype=object)
    for chrom, here in regions.groupby("chrom", sort=False):
        genes = np.flatnonzero(place.chrom == chrom)
        learned = here[here["fold"].isin(folds)]
        covered = _covered(learned["start"].to_numpy(), learned["end"].to_numpy(), place.start[genes], place.end[genes])
        share[genes] = covered / np.maximum(place.end[genes] - place.start[genes], 1)
        starts, ends, names = (here[key].to_numpy() for key in ("start", "end", "fold"))
        for gene in genes.tolist():
            met = (starts < place.bin_end[gene]) & (ends > place.bin_start[gene])
            fold[gene] = ",".join(sorted({*names[met]}))
            tss[gene] = not {*folds}.isdisjoint(names[met])
    return Seen(tss, fold, share)


def _covered(starts: np.ndarray, ends: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """How many bases of each window [first, last) lie in any of the regions [starts, ends), which may overlap."""
    order = np.argsort(starts)
    starts, ends = starts[order], np.maximum.accumulate(ends[order])
    # A region's own part is what none before it covers.
    own = np.maximum(starts, np.append(0, ends[:-1]))
    total = np.append(0, np.cumsum(np.maximum(ends - own, 0)))

    def below(position: np.ndarray) -> np.ndarray:
        count = np.searchsorted(own, position, side="left")
        beyond = np.append(0, ends)[count] - position
        return total[count] - np.maximum(beyond, 0) * (count > 0)

    return below(last) - below(first)


def by_chromosomes(place: Place, left_out: Sequence[str], contigs: Collection[str]) -> Seen:
    """What was seen of genes by a backbone that was trained on all chromosomes but these; it has no folds.

    A chromosome's other contigs (chr8_gl000196_random) are left out with it. Raises InputError for a chromosome that
    the genome lacks.
    """
    if absent := [name for name in left_out if name not in called(left_out, contigs)]:
        there = some(dict.fromkeys(contigs, 0))
        raise InputError(f"trained_on: all_but: the genome has no {', '.join(absent)}, but {there}")
    bare = {plain(name) for name in left_out}
    tss = np.array([plain(name).split("_")[0] not in bare for name in place.chrom], dtype=bool)
    return Seen(tss, np.full(len(tss), "", dtype=object), tss.astype(np.float64))
