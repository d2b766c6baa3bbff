"""The window of a gene with the one allele of a variant and with the other.

Windows lie as in `sequences.write_sequences`: encoded, on the forward strand, N past a contig's ends. Everything is
0-based half-open.
"""

from typing import NamedTuple

import numpy as np

from chrom2expr.application.variants import Variant
from chrom2expr.genome.sequences import Genome
from chrom2expr.genome.windows import Geometry, Strand, encode


class Gene(NamedTuple):
    """Where a gene's TSS lies, `tss` 0-based; a row of genes.locate does as well."""

    chrom: str
    tss: int
    strand: Strand


class Allele(NamedTuple):
    """A window with the alternative allele, (length,) uint8, which is as the reference's outside of `changed`."""

    encoded: np.ndarray
    changed: slice


def reference(genome: Genome, gene: Gene, geometry: Geometry) -> np.ndarray:
    """The window of a gene as the FASTA has it, (length,) uint8."""
    start = geometry.sequence_start(gene.tss, gene.strand)
    return genome.encoded(gene.chrom, start, start + geometry.sequence_length)


def alternative(genome: Genome, gene: Gene, geometry: Geometry, variant: Variant) -> Allele:
    """The window of a gene with `alt` of a variant in place of `ref`, equally long.

    The TSS's base stays where it is in the window: an indel before it moves what lies before the indel, any other one
    what lies after it, and the window's far end there is filled from the genome or cut. Where the TSS's base itself is
    in `ref` of an indel, what lies before it stays, so that its first base is kept; then the way back, from `alt` to
    `ref`, need not be the same one. "Before" is by genomic position, on both strands.

    `changed` is from the first base that may differ to the last: the alleles where they are equally long, else all from
    the indel to the window's far end, and nothing where the window does not hold the variant.
    """
    length = geometry.sequence_length
    start = geometry.sequence_start(gene.tss, gene.strand)
    first, last = (min(max(place - start, 0), length) for place in (variant.start, variant.end))
    longer = len(variant.alt) - len(variant.ref)
    changed = slice(first, last)
    if longer:
        changed = slice(0, last) if variant.end <= gene.tss else slice(first, length)
        if variant.end <= gene.tss:
            # From here on positions count on the alternative chromosome, where the TSS lies that much further on.
            start += longer
    return Allele(_alternative(genome, variant, start, start + length), changed)


def _alternative(genome: Genome, variant: Variant, start: int, end: int) -> np.ndarray:
    """[start, end) of the variant's contig with the alternative allele, encoded."""
    alt = encode(variant.alt)
    after = variant.start + len(alt)
    behind = len(variant.ref) - len(alt)
    before = genome.encoded(variant.contig, start, min(end, variant.start)) if start < variant.start else alt[:0]
    within = alt[max(start - variant.start, 0) : max(end - variant.start, 0)]
    beyond = genome.encoded(variant.contig, max(start, after) + behind, end + behind) if end > after else alt[:0]
    return np.concatenate([before, within, beyond])
