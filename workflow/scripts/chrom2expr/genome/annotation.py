"""The genes as they are given, whichever of the formats a file has: a table, a BED, a GTF or a GFF3."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal

import pandas as pd

from chrom2expr.errors import InputError
from chrom2expr.files.csv_rows import open_text
from chrom2expr.genome import bed, gff
from chrom2expr.genome.genes import read_annotation
from chrom2expr.genome.transcripts import Choice

Format = Literal["table", "BED", "GTF", "GFF3"]
_STRANDS = ("+", "-", ".", "?")


def read(
    path: str | Path,
    choice: Choice = "canonical",
    columns: Mapping[str, str] | None = None,
    contigs: Collection[str] = (),
) -> pd.DataFrame:
    """The genes of a file with a TSS of each, as genes.read_annotation gives them: gene_id, symbol, ..., tss (1-based).

    `choice` says which transcripts' starts count in a GTF or GFF3 (transcripts.with_tss); `columns` what a table calls
    its own (genes.read_annotation); `contigs` what the genome calls its contigs, by which a GFF3 may go
    (gff.read_gff3). Raises InputError for `columns` of a file that is no table, for the choice "all"
    of one without transcripts, and as gff.read_gtf, gff.read_gff3, bed.read_bed and genes.read_annotation.
    """
    found = format_of(path)
    if columns and found != "table":
        raise InputError(f"{path}: genes: columns names the columns of a table, but this is a {found}; leave them out")
    if found == "GTF":
        return gff.read_gtf(path, choice)
    if found == "GFF3":
        return gff.read_gff3(path, choice, contigs)
    if choice == "all":
        raise InputError(
            f"{path}: genes: tss: all makes a row of every transcript's start, but a {found} has one TSS a gene and no "
            "transcripts; give a GTF or GFF3, or leave genes: tss out"
        )
    return bed.read_bed(path) if found == "BED" else read_annotation(path, columns)


def format_of(path: str | Path) -> Format:
    """Which format a file has, packed or not, by the first line that tells; a table, if none does.

    A line of a BED has numbers second and third, or a strand sixth; one of a GTF or GFF3 has nine fields, with numbers
    fourth and fifth, or a strand seventh, and its attributes tell which of the two it is.
    """
    found: Format = "table"
    with open_text(path) as handle:
        for line in handle:
            if line.startswith(bed.HEADINGS):
                return "BED"
            if not (fields := bed.fields_of(line)):
                continue
            if len(fields) > 2 and fields[1].isdecimal() and fields[2].isdecimal():
                return "BED"
            if gff.fields_of(line) or (len(fields) == 9 and fields[6] in _STRANDS):
                found = "GFF3" if gff.has_gff3_attributes(fields[8]) else "GTF"
                if fields[8].strip(" ."):
                    return found
                continue
            return "BED" if len(fields) > 5 and fields[5] in _STRANDS else found
    return found
