"""Variants of one assembly in another: both ends are lifted, and the alleles held against the other's FASTA."""

from collections.abc import Iterable, Mapping
from functools import cache, partial
from typing import NamedTuple

from chrom2expr.application.variants import Skipped, Variant, bases_of, freedom, left_aligned
from chrom2expr.genome.contigs import called, plain
from chrom2expr.genome.liftover import Chain
from chrom2expr.genome.sequences import Genome
from chrom2expr.genome.windows import decode, encode, reverse_complement


class _Stretch(NamedTuple):
    """[start, end) of a contig, on one of its strands."""

    contig: str
    start: int
    end: int
    strand: str


def lift(variants: Iterable[Variant], chain: Chain, source: Genome, target: Genome, skipped: Skipped) -> list[Variant]:
    """The variants of `source` in `target`, by a chain from the one to the other, spelled in one way there.

    A stretch with a change lifts by its ends; that of an indel in a repeat is all of the repeat that it can lie in,
    since a chain may place a difference of lengths anywhere in it. In a region that is turned round, alleles are those
    of the other strand. Where the target has the user's ALT, the variant is marked `reference_swapped`: see Variant.

    Counted in `skipped`: variants whose ends do not lift, or to another contig, or apart from one another; and those of
    which the target has neither allele.
    """
    sources, targets = called(source.contigs, chain.source), called(chain.target, target.contigs)
    bases_here, bases_there = (cache(partial(bases_of, genome)) for genome in (source, target))
    lifted = []
    for variant in variants:
        bases = bases_here(variant.contig)
        moves = freedom(variant, bases)
        after = bases(variant.end, variant.end + moves)
        ref, alt = variant.ref + after, variant.alt + after
        found = _lifted(variant, variant.end + moves, chain, sources, targets)
        if isinstance(found, str):
            skipped.add(variant.id, found)
            continue
        if found.strand == "-":
            ref, alt = _other_strand(ref), _other_strand(alt)
        there = ""
        if found.end - found.start in (len(ref), len(alt)):
            there = bases_there(found.contig)(found.start, found.end)
        if there not in (ref, alt):
            skipped.add(variant.id, "neither REF nor ALT in the assembly it is lifted to")
            continue
        swapped = there == alt
        if swapped:
            ref, alt = alt, ref
        start, ref, alt = left_aligned(found.start, ref, alt, bases_there(found.contig))
        place = {"contig": found.contig, "start": start, "ref": ref, "alt": alt}
        lifted.append(variant._replace(**place, reference_swapped=variant.reference_swapped != swapped))
    return lifted


def _lifted(
    variant: Variant, end: int, chain: Chain, sources: Mapping[str, str], targets: Mapping[str, str]
) -> _Stretch | str:
    """Where [variant.start, end) lies in the target, or why nowhere.

    What is replaced by as many bases lifts by its own ends, all else by the bases beside it, of which it may have none.
    """
    beside = int(len(variant.ref) != len(variant.alt))
    name = sources.get(variant.contig, variant.contig)
    hits = [chain.lift.convert_coordinate(name, position) for position in (variant.start - beside, end - 1 + beside)]
    if not all(hits):
        return "an end that does not lift"
    (contig, first, strand, *_), (other, last, turned, *_) = (hit[0] for hit in hits)
    if contig not in targets or {plain(contig), plain(other)} != {plain(variant.contig)}:
        return "an end that lifts to another contig"
    if strand != turned or (first > last if strand == "+" else first < last):
        return "ends that lift apart"
    low, high = sorted((first, last))
    return _Stretch(targets[contig], low + beside, high + 1 - beside, strand)


def _other_strand(sequence: str) -> str:
    return decode(reverse_complement(encode(sequence)))
