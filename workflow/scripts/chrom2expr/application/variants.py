"""A variant as a change of a FASTA, spelled in one way: alleles trimmed and left-aligned.

Everything is 0-based half-open; only `pos` of a Variant is 1-based, as its file has it.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterator
from functools import lru_cache
from itertools import cycle, takewhile
from typing import NamedTuple

from chrom2expr.genome.sequences import Genome
from chrom2expr.genome.windows import decode

# Bases of one contig, [start, end), in capitals; N past its ends.
Bases = Callable[[int, int], str]
# Bases that are read from a FASTA at a time.
_STRETCH = 1 << 13
# Bases that are looked at at first to see how far an indel can move; each time twice as many.
_CHUNK = 32


class Variant(NamedTuple):
    """`ref`, which the FASTA has at [start, start + len(ref)) of `contig`, is replaced by `alt`; either may be empty.

    `id` is the file's, or chrom:pos:ref:alt where it has none; `row` (line of a VCF, record of a BCF, 1-based),
    `chrom`, `pos` (1-based), `ref_in_file` and `alt_in_file` are as the file has them. `reference_swapped`: the FASTA
    has the user's ALT, and `alt` is the user's REF, so that the effect of the user's ALT is f(ref) - f(alt).

    >>> Variant("rs1", "chr1", 9, "", "T", 12, "1", 9, "A", "AT").end
    9
    """

    id: str
    contig: str
    start: int
    ref: str
    alt: str
    row: int
    chrom: str
    pos: int
    ref_in_file: str
    alt_in_file: str
    reference_swapped: bool = False

    @property
    def end(self) -> int:
        """The first base after the ones that are replaced."""
        return self.start + len(self.ref)


class Skipped:
    """Variants that are left out: `counts`, {reason: how many}, and `why`, {id: reason} of those `watched`.

    >>> skipped = Skipped(watched={"rs2"})
    >>> for name in ("rs1", "rs2", "rs3"):
    ...     skipped.add(name, "a symbolic allele")
    >>> str(skipped), skipped.why
    ('3 with a symbolic allele', {'rs2': 'a symbolic allele'})
    """

    def __init__(self, watched: Container[str] = ()) -> None:
        self.counts: Counter[str] = Counter()
        self.why: dict[str, str] = {}
        self._watched = watched

    def add(self, variant_id: str, reason: str) -> None:
        """Count one variant; `reason` follows the word "with"."""
        self.counts[reason] += 1
        if variant_id in self._watched:
            self.why[variant_id] = reason

    def __str__(self) -> str:
        return ", ".join(f"{count:,} with {reason}" for reason, count in self.counts.most_common())


def bases_of(genome: Genome, contig: str) -> Bases:
    """What reads the bases of a contig, from the FASTA a stretch at a time: most variants are near the one before."""

    @lru_cache(maxsize=2)
    def stretch(number: int) -> str:
        return decode(genome.encoded(contig, number * _STRETCH, (number + 1) * _STRETCH))

    def bases(start: int, end: int) -> str:
        first, last = start // _STRETCH, -(-end // _STRETCH)
        return "".join(map(stretch, range(first, last)))[start - first * _STRETCH : end - first * _STRETCH]

    return bases


def trimmed(start: int, ref: str, alt: str) -> tuple[int, str, str]:
    """Start and alleles without what they share at their ends, the right end first; equal alleles become empty.

    >>> trimmed(100, "CTT", "CT"), trimmed(100, "ACG", "ATG")
    ((101, 'T', ''), (101, 'C', 'T'))
    """
    shared = _shared(reversed(ref), reversed(alt))
    ref, alt = ref[: len(ref) - shared], alt[: len(alt) - shared]
    shared = _shared(ref, alt)
    return start + shared, ref[shared:], alt[shared:]


def left_aligned(start: int, ref: str, alt: str, bases: Bases) -> tuple[int, str, str]:
    """Start and alleles, trimmed; of a plain insertion or deletion the leftmost spelling that makes the same change.

    As `bcftools norm` places it (Tan, Abecasis, Kang 2015, Bioinformatics 31:2202), without the base before it. Alleles
    are of A, C, G and T, so that none moves past a contig's end.

    >>> genome = "GCACACAT"
    >>> left_aligned(5, "CA", "", lambda start, end: genome[max(start, 0) : end].rjust(end - start, "N"))
    (1, 'CA', '')
    """
    start, ref, alt = trimmed(start, ref, alt)
    moved = _indel(ref, alt)
    if not moved:
        return start, ref, alt
    left = _shared(cycle(reversed(moved)), _leftwards(start, bases))
    turn = len(moved) - left % len(moved)
    moved = moved[turn:] + moved[:turn]
    return start - left, moved if ref else "", moved if alt else ""


def freedom(variant: Variant, bases: Bases) -> int:
    """How many bases to the right a left-aligned insertion or deletion can move and still make the same change, in bp.

    >>> deletion = Variant("", "chr1", 1, "CA", "", 1, "", 0, "", "")
    >>> freedom(deletion, lambda start, end: "GCACACAT"[start:end].ljust(end - start, "N"))
    4
    """
    moved = _indel(variant.ref, variant.alt)
    return _shared(cycle(moved), _rightwards(variant.end, bases)) if moved else 0


def _indel(ref: str, alt: str) -> str:
    """What is inserted or deleted; empty where bases are replaced by others."""
    return "" if ref and alt else ref or alt


def _shared(one: Iterator[str] | str, other: Iterator[str] | str) -> int:
    """How many characters two sequences share before they first differ."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other)))


def _leftwards(end: int, bases: Bases) -> Iterator[str]:
    size = _CHUNK
    while True:
        yield from reversed(bases(end - size, end))
        end, size = end - size, 2 * size


def _rightwards(start: int, bases: Bases) -> Iterator[str]:
    size = _CHUNK
    while True:
        yield from bases(start, start + size)
        start, size = start + size, 2 * size
