"""Where the sequence and the bins of a gene lie: the one definition for both assemblies and both strands.

Everything is 0-based half-open, and bins are in ascending genomic order whatever the gene's strand; readers of the
feature store turn minus-strand genes round (see `store_reader`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from chrom2expr.errors import InputError

Strand = Literal["+", "-"]

# One byte a base; anything that is not A, C, G or T is N.
BASES = "ACGT"
N = 4
_CODE = np.full(256, N, dtype=np.uint8)
for _code, _base in enumerate(BASES):
    _CODE[ord(_base)] = _CODE[ord(_base.lower())] = _code
_COMPLEMENT = np.array([3, 2, 1, 0, N], dtype=np.uint8)


@dataclass(frozen=True)
class Geometry:
    """The span of sequence a backbone reads around a TSS, and the bins it describes.

    The bins lie back to back in the middle of the sequence. `tss_index_plus` and `tss_index_minus` are the indices of
    the TSS base within the (genomic, forward) sequence for genes of either strand.
    """

    sequence_length: int
    bins: int
    bin_size: int
    tss_index_plus: int
    tss_index_minus: int

    def __post_init__(self) -> None:
        if min(self.sequence_length, self.bins, self.bin_size) < 1:
            raise InputError("geometry: sequence_length, window, bins and bin_size must be whole numbers above 0")
        spare = self.sequence_length - self.bins * self.bin_size
        if spare < 0 or spare % 2:
            raise InputError(
                f"geometry: {self.bins} bins (bins) of {self.bin_size} bp (bin_size) must lie in the middle of "
                f"{self.sequence_length} bp of sequence (sequence_length, or window + (bins - 1) * bin_size), but "
                + ("do not fit in it" if spare < 0 else f"leave an odd number of bases, {spare}, on their two sides")
            )

    @classmethod
    def centred(cls, sequence_length: int, bins: int, bin_size: int) -> "Geometry":
        """Enformer's: a window of `sequence_length` bp whose middle, index length // 2, is the TSS, on both strands.

        >>> Geometry.centred(196_608, 896, 128).bins_start(tss=1_000_000, strand="+")
        942656
        """
        middle = sequence_length // 2
        return cls(sequence_length, bins, bin_size, middle, middle)

    @classmethod
    def sliding(cls, window: int, bins: int, bin_size: int) -> "Geometry":
        """ExPecto's: `bins` windows of `window` bp, `bin_size` apart, with shifts s from -bins/2 * bin_size upwards.

        A window's centre is TSS + s * strand, and it covers the 1-based positions [centre - window/2 + 1, centre +
        window/2]; its bin is the `bin_size` bp in its middle. So the span is shifted by one bin between the strands.
        (Zhou et al. 2018, ExPecto's chromatin.py; 200 windows of 2,000 bp, 200 bp apart.)

        >>> geometry = Geometry.sliding(2_000, 200, 200)
        >>> geometry.sequence_length, geometry.tss_index_minus - geometry.tss_index_plus
        (41800, -200)
        """
        if window % 2:
            raise InputError(f"geometry: window is {window} bp, but must be even: as long on both sides of its centre")
        before = bins // 2 * bin_size
        after = (bins - 1) * bin_size - before
        half = window // 2 - 1
        return cls((bins - 1) * bin_size + window, bins, bin_size, before + half, after + half)

    @classmethod
    def from_config(cls, settings: Mapping[str, int]) -> "Geometry":
        """The geometry of a config section: `sliding` if it names a `window`, `centred` by its `sequence_length`."""
        return cls.sliding(**settings) if "window" in settings else cls.centred(**settings)

    @property
    def margin(self) -> int:
        """Bases of sequence on either side of the bins, in bp."""
        return (self.sequence_length - self.bins * self.bin_size) // 2

    def sequence_start(self, tss: int, strand: Strand) -> int:
        """First base of the sequence; may be negative near a contig's start (pad with N). `tss` is 0-based."""
        return tss - (self.tss_index_plus if strand == "+" else self.tss_index_minus)

    def bins_start(self, tss: int, strand: Strand) -> int:
        """First base of the first bin in genomic order; bin i covers [start + i * bin_size, + bin_size)."""
        return self.sequence_start(tss, strand) + self.margin


def central(bins: int, count: int | None = None) -> slice:
    """The middle `count` of `bins` bins, which is the same whichever end one counts from; all of them if None.

    Raises InputError when there are not so many, and when they would leave more bins on one side than on the other.

    >>> central(896, 314)
    slice(291, 605, None)
    """
    count = bins if count is None else count
    if not 0 < count <= bins or (bins - count) % 2:
        raise InputError(
            f"bins is {count}: the middle of {bins} bins can be 1 to {bins} of them, and must leave as many on one "
            f"side as on the other, so an {'odd' if bins % 2 else 'even'} number"
        )
    margin = (bins - count) // 2
    return slice(margin, bins - margin)


def middle(bins: int, count: int) -> slice:
    """The `count` of `bins` bins around the TSS; if their middles differ, one more bin lies after them than before."""
    start = (bins - count) // 2
    return slice(start, start + count)


def turned(strand: np.ndarray, orientation: str) -> np.ndarray:
    """Whether a gene's bins, in genomic order, are to be turned round: (gene,) bool for its strand, + or -.

    orientation: "gene" turns those of minus-strand genes, so that they run from upstream to downstream; "genomic" none.
    Raises InputError for any other.
    """
    if orientation not in ("gene", "genomic"):
        raise InputError(f"inputs: orientation is {orientation!r}, but must be gene or genomic")
    return (np.asarray(strand) == "-") & (orientation == "gene")


def encode(sequence: str) -> np.ndarray:
    """Encoded (length,) uint8 of a sequence: A 0, C 1, G 2, T 3, anything else 4.

    >>> encode("ACGTn").tolist()
    [0, 1, 2, 3, 4]
    """
    return _CODE[np.frombuffer(sequence.encode("ascii"), dtype=np.uint8)]


def decode(encoded: np.ndarray) -> str:
    """The sequence of an encoded one (length,), upper case, with N for 4.

    >>> decode(np.array([0, 1, 2, 3, 4]))
    'ACGTN'
    """
    return np.frombuffer(b"ACGTN", dtype=np.uint8)[encoded].tobytes().decode("ascii")


def reverse_complement(encoded: np.ndarray) -> np.ndarray:
    """An encoded sequence of the other strand, read in its own direction; reverses the last axis.

    >>> decode(reverse_complement(encode("AACG")))
    'CGTT'
    """
    return _COMPLEMENT[encoded[..., ::-1]]
