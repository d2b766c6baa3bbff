"""Variants from a VCF or BCF, read by pysam, in blocks: what cannot be used is counted, what is wrong is named.

Each alternative of a row is a variant; genotypes are not read. Rows may lie in any order.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice, takewhile
from pathlib import Path
from typing import Literal, NamedTuple, NoReturn

import pysam

from chrom2expr.application.variants import Bases, Skipped, Variant, bases_of, left_aligned
from chrom2expr.errors import InputError, reading, system_trouble
from chrom2expr.files.csv_rows import open_text
from chrom2expr.files.foreign import foreign_table, start_of
from chrom2expr.files.packed import opener
from chrom2expr.genome.contigs import called, check_lengths, say_renamed
from chrom2expr.genome.genes import some
from chrom2expr.genome.sequences import Genome

# Variants that are held at a time, to within the alternatives of a row.
BLOCK = 10_000
_KIND = "VCF or BCF file with a header"
_ADVICE = (
    "a VCF begins with ##fileformat=VCFv4.2, and the line before its variants has #CHROM, POS, ID, REF, ALT, QUAL, "
    "FILTER and INFO between tabs, and each sample once. Correct it, or get it again"
)


class Row(NamedTuple):
    """A row of a file: `where` it lies, for messages, its number, and what is used of it; `length` is its contig's."""

    where: str
    number: int
    chrom: str
    pos: int
    id: str | None
    ref: str
    alternatives: tuple[str, ...]
    length: int | None


class _Contig(NamedTuple):
    """A contig of the FASTA, `length` in bp."""

    name: str
    length: int
    bases: Bases


def read(
    path: str | Path, genome: Genome, skipped: Skipped, on_mismatch: Literal["error", "skip"] = "error"
) -> Iterator[list[Variant]]:
    """Blocks of the variants of a file (VCF, plain or packed by bgzip, or BCF), each spelled in one way.

    Alternatives that are `*`, symbolic, breakends, missing, no other than REF, or hold other letters than A, C, G and T
    (in capitals or not) are counted in `skipped`, and so are variants on contigs that the FASTA lacks. `on_mismatch`: a
    row whose REF is not the FASTA's, or that reaches past its contig's end, is an error, or counted too.

    Raises InputError, while it is read and naming the row: for these; for what is no whole VCF (no header, cut short, a
    row of too few columns, plain gzip); for a contig of another length than the FASTA's; and if no variant is left.
    """
    contigs: dict[str, _Contig | None] = {}
    block: list[Variant] = []
    empty = True
    for row in rows(path):
        if row.chrom not in contigs:
            contigs[row.chrom] = _contig(path, row, genome)
        block += _variants(row, contigs[row.chrom], skipped, on_mismatch)
        if len(block) >= BLOCK:
            empty = False
            yield block
            block = []
    say_renamed({contig.name: name for name, contig in contigs.items() if contig}, str(path))
    if block:
        yield block
    elif empty:
        left_out = f"it has {skipped}; its contigs are {some(contigs)}, the FASTA's are {some(genome.contigs)}"
        raise InputError(f"{path}: no variant to work with: {left_out if contigs else 'it holds none'}")


def _contig(path: str | Path, row: Row, genome: Genome) -> _Contig | None:
    """The FASTA's contig of a row, which must be as long as the header says; None if the FASTA lacks it."""
    name = called([row.chrom], genome.contigs).get(row.chrom)
    if name is None:
        return None
    length = genome.contigs[name]
    if row.length:
        advice = "the variants must be of the FASTA's assembly"
        check_lengths([name], {row.chrom: row.length}, {name: length}, f"{path}, header", advice)
    return _Contig(name, length, bases_of(genome, name))


def _variants(
    row: Row, contig: _Contig | None, skipped: Skipped, on_mismatch: Literal["error", "skip"]
) -> Iterator[Variant]:
    """The variants of a row, which lies on this contig of the FASTA."""
    ref = row.ref.upper()
    start = row.pos - 1
    alternatives = []
    for alt in row.alternatives:
        name = row.id or f"{row.chrom}:{row.pos}:{row.ref}:{alt}"
        if reason := _unusable(ref, alt.upper()) or ("" if contig else "a contig that the FASTA lacks"):
            skipped.add(name, reason)
        else:
            alternatives.append((alt, name))
    if not alternatives or contig is None:
        return
    found = contig.bases(start, start + len(ref))
    if found != ref:
        if on_mismatch == "error":
            raise InputError(
                f"{row.where}: REF is {_short(row.ref)} at {row.chrom}:{row.pos}, but the FASTA has {_short(found)} "
                f"there (its {contig.name} is {contig.length:,} bp long). Are the variants of another assembly? "
                "Otherwise correct the row, or have such rows skipped and counted"
            )
        for _, name in alternatives:
            skipped.add(name, "a REF that is not the FASTA's")
        return
    for alt, name in alternatives:
        spelled = left_aligned(start, ref, alt.upper(), contig.bases)
        yield Variant(name, contig.name, *spelled, row.number, row.chrom, row.pos, row.ref, alt)


def _unusable(ref: str, alt: str) -> str:
    """Why an alternative, in capitals, is no sequence that replaces another; empty if it is."""
    if alt == "*":
        return "the allele *, a deletion of another row"
    if alt == ".":
        return "no alternative"
    if alt.startswith("<"):
        return "a symbolic allele"
    if "[" in alt or "]" in alt or "." in (alt[:1], alt[-1:]):
        return "a breakend"
    if not (ref and alt) or {*ref, *alt} - {*"ACGT"}:
        return "letters other than A, C, G and T"
    return "an alternative that is the REF" if ref == alt else ""


def _short(sequence: str) -> str:
    return sequence if len(sequence) <= 20 else f"{sequence[:20]}… ({len(sequence):,} bp)"


def rows(path: str | Path) -> Iterator[Row]:
    """Every row of a file, which need be in no order. Raises InputError for what is no whole VCF or BCF."""
    _check_packing(path)
    with _quiet():
        with reading(path, _KIND, _ADVICE):
            file = pysam.VariantFile(str(path), drop_samples=True)
        unit, number = ("record", 0) if file.is_bcf else ("line", _header_lines(path))
        lengths = {name: contig.length for name, contig in file.header.contigs.items()}
        try:
            with file:
                for record in file:
                    number += 1
                    where, length = f"{path}, {unit} {number}", lengths.get(record.chrom)
                    alternatives = record.alts or (".",)
                    yield Row(
                        where, number, record.chrom, record.pos, record.id, record.ref or "", alternatives, length
                    )
        except (OSError, ValueError) as error:
            if trouble := system_trouble(error, path):
                raise trouble from error
            if unit == "line":
                _refuse_line(path, number + 1)
            raise InputError(f"{path}, {unit} {number + 1}: damaged or cut short: get it again") from None
    _say_if_cut(path)


def _check_packing(path: str | Path) -> None:
    """Raise InputError for what htslib cannot read, or reads without seeing that it is cut."""
    with reading(path, _KIND, _ADVICE):
        start = start_of(path, foreign_table)
    if opener(start) is not open and start[12:14] != b"BC":
        raise InputError(
            f"{path}: packed, but not by bgzip, which marks a file's end so that a cut one shows. Unpack it (gunzip, "
            "bunzip2 or unxz), then pack it by bgzip or use it as it is"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without htslib's own messages, which name no file; what is wrong is said by ours."""
    before = pysam.set_verbosity(0)
    try:
        yield
    finally:
        pysam.set_verbosity(before)


def _header_lines(path: str | Path) -> int:
    with open_text(path, "a VCF") as lines:
        return sum(1 for _ in takewhile(lambda line: line.startswith("#"), lines))


def _refuse_line(path: str | Path, number: int) -> NoReturn:
    """Raise InputError for a line that htslib cannot read, and Damaged where it cannot even be unpacked."""
    with open_text(path, "a VCF") as lines:
        line = next(islice(lines, number - 1, None), "").rstrip("\r\n")
    if not line:
        raise InputError(f"{path}, line {number}: an empty line: delete it")
    raise InputError(
        f"{path}, line {number}: not a row of a VCF, which has a whole number as POS and eight columns or more between "
        f"tabs, or cut short: {line[:60]!r}"
    )


def _say_if_cut(path: str | Path) -> None:
    """Print that a plain VCF may have lost its last rows: only its last line can tell."""
    with open(path, "rb") as handle:
        packed = opener(handle.read(8)) is not open
        handle.seek(-1, 2)
        if not packed and handle.read(1) != b"\n":
            print(f"{path}: its last line has no end. If the file was cut short there, get it again")
