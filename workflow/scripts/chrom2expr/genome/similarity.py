"""How much of one window's sequence is found in another: the share of its distinct canonical 31-mers that they share.

Of 31 bases and their reverse complement the canonical one has the lower code, so that strands do not matter. What holds
an N is left out. A window with fewer than `ENOUGH` of them says too little (a share of 0.2 of 100 has a standard error
of 0.04): it is like no other.

Long windows need not be compared whole. A sample holds the 31-mers whose hash lies below a threshold, the same in all
windows, and the share found in it is an unbiased estimate (FracMinHash: Irber et al. 2022, Lightweight compositional
analysis of metagenomes with FracMinHash and minimum metagenome covers, bioRxiv).
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from chrom2expr.genome import windows
from chrom2expr.genome.sequences import Genome
from chrom2expr.genome.windows import Geometry
from chrom2expr.job import Progress

K = 31
ENOUGH = 100
# Words of 2, 4, 8, 16 and 31 bases: each is the last one beside itself, so many bases further on, which may overlap.
_STEPS = (1, 2, 4, 8, 15)
# No k-mer's code, since these have 62 bits.
_NO_KMER = np.uint64(2**64 - 1)
# Windows whose k-mers are looked up, or whose counts of shared ones are held, at a time.
_BLOCK = 256


class Kmers(NamedTuple):
    """The distinct canonical k-mers of windows.

    `codes` (k-mer,) uint64: those of each window in ascending order, window after window; `sizes` (window,) int64: how
    many each has.
    """

    codes: np.ndarray
    sizes: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Whether a window has enough k-mers to be compared: (window,) bool."""
        return self.sizes >= ENOUGH


def kmers_of(encoded: np.ndarray, sampled: int = 1) -> np.ndarray:
    """Codes (k-mer,) uint64, ascending, of a window's distinct canonical k-mers; `encoded`: see windows.encode.

    A base has 2 bits, the first one the highest. With `sampled` s above 1, about one in s is kept.

    >>> from chrom2expr.genome.windows import encode, reverse_complement
    >>> window = encode("ACGTTGAA" * 5 + "N" + "A" * 31)
    >>> codes = kmers_of(window)
    >>> len(codes), codes.tolist() == kmers_of(reverse_complement(window)).tolist()
    (9, True)
    """
    forward = (encoded & 3).astype(np.uint64)  # N is one of those that are left out below
    backward = 3 - forward
    unknown = encoded == windows.N
    for step in _STEPS:
        bits = np.uint64(2 * step)
        forward = forward[:-step] << bits | forward[step:]
        backward = backward[:-step] | backward[step:] << bits
        unknown = unknown[:-step] | unknown[step:]
    codes = np.minimum(forward, backward)[~unknown]
    if sampled > 1:
        codes = codes[_hash(codes) <= np.uint64((2**64 - 1) // sampled)]
    return np.unique(codes)


def _hash(codes: np.ndarray) -> np.ndarray:
    """A number of 64 bits for each code, as if by chance (the last steps of SplitMix64: Steele et al. 2014)."""
    mixed = codes + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ mixed >> np.uint64(shift)) * np.uint64(factor)
    return mixed ^ mixed >> np.uint64(31)


def windows_of(located: pd.DataFrame, genome: Genome, geometry: Geometry) -> Iterator[np.ndarray]:
    """The encoded sequence (base,) around each TSS, one in memory at a time; what lies past a contig's end is N.

    `located`: see genes.locate, with contigs called as in `genome`.
    """
    progress = Progress(len(located), "windows")
    for place in located.itertuples():
        start = geometry.sequence_start(place.tss, place.strand)
        yield genome.encoded(place.chrom, start, start + geometry.sequence_length)
        progress.advance(1)


def read_kmers(encoded: Iterable[np.ndarray], sampled: int = 1) -> Kmers:
    """The k-mers of windows, each encoded (length,), of which one is in memory at a time; `sampled`: see kmers_of."""
    codes = [kmers_of(window, sampled) for window in encoded]
    sizes = np.array([len(one) for one in codes], dtype=np.int64)
    return Kmers(np.concatenate([np.empty(0, dtype=np.uint64), *codes]), sizes)


def similar(kmers: Kmers, share: float) -> Iterator[np.ndarray]:
    """Pairs (pair, 2) of windows, the lower first, of which one has more than `share` of its k-mers in the other.

    They come block by block, since there may be very many. Every shared k-mer counts, also one of a repeat that is in
    many windows: the time goes with the sum of the squares of how many windows a k-mer is in, the memory does not.
    """
    held = _held_by_several(kmers)
    for rows, counts in _shared(held, held):
        counts = counts.tocoo()
        one, other = counts.row + rows.start, counts.col
        smaller = np.minimum(kmers.sizes[one], kmers.sizes[other])
        found = (one < other) & (smaller >= ENOUGH) & (counts.data > share * smaller)
        yield np.column_stack([one[found], other[found]]).astype(np.int64)


def nearest(kmers: Kmers, of: np.ndarray, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each window `of` (window,) the one `among` others (other,) that holds most of its k-mers.

    Returns the share of its k-mers that are found there (window,), and which window that is (window,). They are NaN and
    -1 for a window that has too few k-mers, or if all others have; such others are passed over. A share of 0 names
    any of them.
    """
    of, among = np.asarray(of, dtype=np.int64), np.asarray(among, dtype=np.int64)
    shares, where = np.full(len(of), np.nan), np.full(len(of), -1)
    among = among[kmers.known[among]]
    if len(among):
        held = _held_by_several(kmers)
        for rows, counts in _shared(held[of], held[among]):
            dense = counts.toarray()
            sizes, known = kmers.sizes[of[rows]], kmers.known[of[rows]]
            shares[rows] = np.where(known, dense.max(axis=1) / np.maximum(sizes, 1), np.nan)
            where[rows] = np.where(known, among[dense.argmax(axis=1)], -1)
    return shares, where


def _held_by_several(kmers: Kmers) -> csr_array:
    """Ones (window, k-mer) int32 where a window has a k-mer, of those k-mers that several windows have."""
    codes = np.sort(kmers.codes)
    several = np.append(np.unique(codes[1:][codes[1:] == codes[:-1]]), _NO_KMER)
    del codes
    ends = np.cumsum(kmers.sizes)
    columns, counts = [np.empty(0, dtype=np.int32)], [np.zeros(1, dtype=np.int64)]
    for first in range(0, len(ends), _BLOCK):
        sizes = kmers.sizes[first : first + _BLOCK]
        codes = kmers.codes[ends[first] - sizes[0] : ends[first + len(sizes) - 1]]
        found = np.searchsorted(several, codes)
        held = several[found] == codes
        columns.append(found[held].astype(np.int32))
        counts.append(np.bincount(np.repeat(np.arange(len(sizes)), sizes)[held], minlength=len(sizes)))
    indices = np.concatenate(columns)
    starts = np.cumsum(np.concatenate(counts))
    return csr_array((np.ones(len(indices), dtype=np.int32), indices, starts), shape=(len(ends), len(several)))


def _shared(ones: csr_array, others: csr_array) -> Iterator[tuple[slice, csr_array]]:
    """How many k-mers each window of `ones` shares with each of `others`, (window, other): runs of windows, in turn."""
    across, progress = others.T.tocsr(), Progress(ones.shape[0], "comparisons")
    for first in range(0, ones.shape[0], _BLOCK):
        rows = slice(first, min(first + _BLOCK, ones.shape[0]))
        yield rows, ones[rows] @ across
        progress.advance(rows.stop - rows.start)
