"""Windows as records of a FASTA, one in memory at a time: of the length that a run reads, or longer with a TSS."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from chrom2expr.application.new_sequences import NewSequences
from chrom2expr.errors import InputError
from chrom2expr.files.csv_rows import open_text
from chrom2expr.files.tables import read_table
from chrom2expr.genome.windows import Geometry, Strand, encode

_BASES = "ACGTN"
# What stands for one of several bases (IUPAC), and is read as N.
_AMBIGUOUS = "RYSWKMBDHV"
_NO_BASE = re.compile(f"[^{_BASES}{_AMBIGUOUS}]", re.IGNORECASE)
_POSITION = re.compile(r"0*[1-9][0-9]*")


class Record(NamedTuple):
    """A record of a FASTA: its name, what follows that in its heading, the heading's line (1-based), its bases."""

    name: str
    description: str
    line: int
    bases: str


class Tss(NamedTuple):
    """Where a record says that its TSS is, 1-based, or None, and the gene's strand, or None; `where`, for messages."""

    position: int | None
    strand: Strand | None
    where: str


def of_fasta(path: str | Path, geometry: Geometry, tss: str | Path | None = None) -> NewSequences:
    """The records of a FASTA, packed or not, each the forward strand of one window.

    A record of the geometry's length has its TSS where the geometry has it. A longer one says where it is, by
    `tss=POSITION` (1-based) after its name, and is cut. `strand=-` there says that the gene is on the reverse strand;
    without it, it is on the forward strand. The table `tss` (name, tss, strand) says both in the headings' place.

    Letters for several bases are read as N, and a line says how many. Raises InputError, naming the record, for other
    letters; for one that is shorter than the window, or longer without a TSS, or has too few bases on a side of it; for
    a name that is missing or stands twice; for a record that the table names and the file lacks; and for an empty file.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w") as file:
    ...     print(">long tss=6 strand=+", file=file)
    ...     print("TTACGTAC", file=file, flush=True)
    ...     [window] = of_fasta(file.name, Geometry.centred(4, 1, 4)).windows()
    >>> "".join("ACGTN"[base] for base in window)
    'CGTA'
    """
    listed = _listed(tss) if tss else {}
    rows, cuts, lines = [], [], {}
    ambiguous, assumed = 0, 0
    for record in records(path):
        where = f"{path}, line {record.line}: record {record.name or '(without a name)'}"
        if not record.name:
            raise InputError(f"{where}: a name must follow the >")
        if record.name in lines:
            raise InputError(f"{where}: is already on line {lines[record.name]}; give each a name of its own")
        lines[record.name] = record.line
        if wrong := _NO_BASE.search(record.bases):
            raise InputError(
                f"{where}: base {wrong.start() + 1:,} is {wrong[0]!r}, which is no base of DNA ({_BASES}, or one of "
                f"{_AMBIGUOUS}, which are read as N)"
            )
        ambiguous += sum(record.bases.upper().count(letter) for letter in _AMBIGUOUS)
        said = listed.get(record.name) or _described(record, where)
        assumed += said.strand is None
        strand = said.strand or "+"
        start = _start(len(record.bases), said.position, strand, geometry, said.where)
        rows.append((record.name, start + _index(geometry, strand) + 1, strand))
        cuts.append(slice(start, start + geometry.sequence_length))
    if not rows:
        raise InputError(f"{path}: holds no sequence")
    if unknown := next((one for name, one in listed.items() if name not in lines), None):
        raise InputError(f"{unknown.where}: {path} has no record of this name")
    if ambiguous:
        print(f"{path}: {ambiguous:,} letters that stand for several bases (one of {_AMBIGUOUS}) are read as N")
    if assumed:
        print(f"{path}: {assumed:,} of {len(rows):,} records name no strand; their genes are taken to be on +")

    def windows() -> Iterator[np.ndarray]:
        for record, cut in zip(records(path), cuts, strict=True):
            yield encode(record.bases[cut])

    return NewSequences(pd.DataFrame(rows, columns=["gene_id", "tss", "strand"]), windows)


def records(path: str | Path) -> Iterator[Record]:
    """The records of a FASTA, packed or not. Raises InputError as open_text, and unless it begins with >."""
    heading, number, parts = "", 0, []
    with open_text(path, "a FASTA") as handle:
        for line_number, line in enumerate(handle, start=1):
            line = line.strip()
            if line.startswith(">"):
                if number:
                    yield _record(heading, number, parts)
                heading, number, parts = line[1:], line_number, []
            elif number:
                parts.append(line)
            elif line:
                raise InputError(f"{path}, line {line_number}: not FASTA, which begins with '>'")
    if number:
        yield _record(heading, number, parts)


def _record(heading: str, line: int, parts: list[str]) -> Record:
    # The name follows the > at once, as in every reader of FASTA.
    name, description = re.fullmatch(r"(\S*)\s*(.*)", heading).groups()
    return Record(name, description, line, "".join(parts))


def _described(record: Record, where: str) -> Tss:
    """What the heading of a record says."""
    said = dict(re.findall(r"(?:^|\s)(tss|strand)=(\S*)", record.description))
    return _tss(said.get("tss"), said.get("strand"), where)


def _listed(path: str | Path) -> Mapping[str, Tss]:
    """What a table says of the records that it names."""
    found: dict[str, Tss] = {}
    for line, cells in read_table(path, ("name", "tss", "strand"), ours=False):
        where = f"{path}, row {line}: record {cells['name']}"
        if cells["name"] in found:
            raise InputError(f"{where}: stands there twice, but a record is one window")
        found[cells["name"]] = _tss(cells["tss"], cells["strand"], where)
    return found


def _tss(position: str | None, strand: str | None, where: str) -> Tss:
    if position is not None and not _POSITION.fullmatch(position):
        raise InputError(f"{where}: its TSS is {position!r}, but must be a whole number of at least 1, its first base")
    if strand not in (None, "+", "-"):
        raise InputError(f"{where}: its strand is {strand!r}, but must be + or -")
    return Tss(None if position is None else int(position), strand, where)


def _index(geometry: Geometry, strand: Strand) -> int:
    return geometry.tss_index_plus if strand == "+" else geometry.tss_index_minus


def _start(length: int, position: int | None, strand: Strand, geometry: Geometry, where: str) -> int:
    """Where the window begins in a record of `length` bp whose TSS is at `position` (1-based), 0-based."""
    window, before = geometry.sequence_length, _index(geometry, strand)
    after = window - before - 1
    wanted = (
        f"the model reads {window:,} bp of the forward strand, for a gene on {strand} {before:,} bp before its TSS and "
        f"{after:,} bp after it"
    )
    if position is None and length < window:
        raise InputError(f"{where}: has {length:,} bp, {window - length:,} too few: {wanted}. Give more sequence, or N")
    if position is None and length > window:
        raise InputError(
            f"{where}: has {length:,} bp, {length - window:,} too many, and does not say where its TSS is: {wanted}. "
            "Cut it, or write tss=POSITION strand=+ after its name, or give a table (--tss)"
        )
    if position is None:
        return 0
    if position > length:
        raise InputError(f"{where}: its TSS is at {position:,}, past its end at {length:,}")
    missing = {
        "before": before - (position - 1),
        "after": after - (length - position),
    }
    if lacks := " and ".join(f"{count:,} bp {side}" for side, count in missing.items() if count > 0):
        raise InputError(f"{where}: lacks {lacks} its TSS at {position:,}: {wanted}. Give more sequence, or N")
    return position - 1 - before
