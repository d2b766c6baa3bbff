"""Genomes, VCFs and variants that several test files make."""

import gzip
from pathlib import Path

import pyfaidx
import pysam

from chrom2expr.application.variants import Variant
from chrom2expr.genome.sequences import Genome

COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def genome_of(path: Path, **contigs: str) -> Genome:
    """A FASTA with these contigs, in lines of 60."""
    lines = (
        f">{name}\n" + "".join(text[i : i + 60] + "\n" for i in range(0, len(text), 60))
        for name, text in contigs.items()
    )
    path.write_text("".join(lines))
    pyfaidx.Faidx(str(path)).close()
    return Genome(path)


def vcf(*rows: str, contigs: str = "", columns: str = COLUMNS) -> str:
    """A VCF whose rows are `chrom pos id ref alt`, by blanks."""
    lines = "".join("\t".join([*row.split(" "), ".", ".", "."]) + "\n" for row in rows)
    return f"##fileformat=VCFv4.2\n{contigs}{columns}{lines}"


def bgzipped(path: Path, text: str) -> Path:
    with pysam.BGZFile(str(path), "w") as file:
        file.write(text.encode())
    return path


def gzipped(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()))
    return path


def variant(start: int, ref: str, alt: str, contig: str = "chr1", name: str = "v") -> Variant:
    return Variant(name, contig, start, ref, alt, 1, contig, start, ref, alt)
