"""What RSEM, Salmon and kallisto say of samples, by gene, averaged over the samples of a tissue."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from chrom2expr.errors import InputError
from chrom2expr.files.csv_rows import is_number, numbered_rows, refuse_repeated
from chrom2expr.genome import sample_sheets, units
from chrom2expr.genome.exons import TranscriptGenes
from chrom2expr.genome.matrices import Rows
from chrom2expr.genome.units import Unit
from chrom2expr.job import Progress


class _Program(NamedTuple):
    """A program's name, the column that says what its rows are, and that of each unit."""

    name: str
    row: str
    column: Mapping[str, str]


_RSEM = {"tpm": "TPM", "counts": "expected_count", "rpkm": "FPKM"}
# RSEM's table of transcripts names their genes too, so its first column is looked for first.
_PROGRAMS = (
    _Program("kallisto", "target_id", {"tpm": "tpm", "counts": "est_counts"}),
    _Program("Salmon", "Name", {"tpm": "TPM", "counts": "NumReads"}),
    _Program("RSEM", "transcript_id", _RSEM),
    _Program("RSEM", "gene_id", _RSEM),
)


class _Table(NamedTuple):
    """A quantification: what its rows are called, where they are, their values (row,), and if they are transcripts."""

    name: list[str]
    place: list[str]
    values: np.ndarray
    of_transcripts: bool


class Quantifications:
    """The samples of a sheet (see sample_sheets.read), one in memory at a time, in `unit`.

    `columns`: the sheet's. Transcripts are summed over their genes by the GTF or GFF3 `annotation_path`.
    """

    def __init__(self, sheet: str | Path, unit: Unit, annotation_path: str | Path, columns: Mapping[str, str]) -> None:
        """Raises InputError as sample_sheets.read."""
        self.sheet, self.unit, self.annotation_path = sheet, unit, annotation_path
        self.samples = sample_sheets.read(sheet, columns)
        self.tissue = sorted({sample.tissue for sample in self.samples})
        self._lacking: list[tuple[float, str]] = []

    @property
    def first(self) -> Path:
        """The file that the others must have the genes of."""
        return self.samples[0].file

    @cached_property
    def _transcripts(self) -> TranscriptGenes:
        return TranscriptGenes(self.annotation_path)

    def rows(self) -> Rows:
        """The genes of the first sample, in its order, and its values, (gene, 1)."""
        return self._by_gene(self.samples[0], per_million=False)

    def averages(self, rows: Rows, lengths: np.ndarray | None) -> np.ndarray:
        """The mean of each tissue's samples, (gene, tissue), the genes being those of `rows`.

        Counts become counts per million of their sample first, or TPM by the genes' `lengths` (gene,), NaN = unknown.
        Raises InputError, naming file and line, for what is no quantification in this unit, no number, or cannot be of
        the unit, and for samples of other genes than the first, naming both.
        """
        sums = np.zeros((len(rows.name), len(self.tissue)))
        per_million = self.unit == "counts" and lengths is None
        self._lacking.clear()
        progress = Progress(len(self.samples), "samples")
        for sample in self.samples:
            found = self._by_gene(sample, per_million)
            values = found.values[self._order(rows, found, sample.file)]
            if lengths is not None:
                values = units.normalised(values, self.unit, sample.file, found.tissue, lengths)
            sums[:, self.tissue.index(sample.tissue)] += values[:, 0]
            progress.advance(1)
        if self._lacking:
            largest = max(self._lacking, key=lambda found: found[0])[1]
            print(f"{self.sheet}: {len(self._lacking):,} samples have transcripts of no gene, most of all {largest}")
        size = Counter(sample.tissue for sample in self.samples)
        listed = ", ".join(f"{name} ({size[name]})" for name in self.tissue)
        print(f"{self.sheet}: {len(self.samples):,} samples of {len(self.tissue):,} tissues: {listed}")
        return sums / [size[name] for name in self.tissue]

    def _by_gene(self, sample: sample_sheets.Sample, per_million: bool) -> Rows:
        """A sample's genes, in the order of its file, and its values (gene, 1)."""
        table = _read(sample.file, self.unit)
        values = table.values[:, None]
        if per_million:
            values = units.normalised(values, self.unit, sample.file, [sample.name])
        if not table.of_transcripts:
            return Rows(table.name, [], table.place, [sample.name], values)
        code = self._transcripts.find(table.name)
        known = code >= 0
        if not known.any():
            raise InputError(
                f"{sample.file}: not one transcript is in {self.annotation_path}: the file's are called "
                f"{', '.join(table.name[:3])}, …, the others {self._transcripts.some()}, …. Is one of the two of "
                "another species, or are these genes (Salmon's must be in a file *.genes.sf)?"
            )
        if not known.all():
            self._note_lacking(sample, table, known)
        genes, first, row = np.unique(code[known], return_index=True, return_inverse=True)
        names = [self._transcripts.gene_id[gene] for gene in genes]
        places = [table.place[place] for place in np.flatnonzero(known)[first]]
        return Rows(names, [], places, [sample.name], np.bincount(row, weights=values[known, 0])[:, None])

    def _note_lacking(self, sample: sample_sheets.Sample, table: _Table, known: np.ndarray) -> None:
        """Keep what share of a sample's expression is of transcripts that the annotation lacks."""
        total = table.values.sum()
        share = table.values[~known].sum() / total if total else 0.0
        names = [table.name[row] for row in np.flatnonzero(~known)[:3]]
        said = (
            f"{sample.file}: {(~known).sum():,} of {len(known):,} transcripts, with {share:.2%} of its expression, are "
            f"not in {self.annotation_path} and are left out ({', '.join(names)}{', …' if (~known).sum() > 3 else ''})"
        )
        self._lacking.append((share, said))

    def _order(self, rows: Rows, found: Rows, file: Path) -> np.ndarray | slice:
        """Where a sample has the genes of `rows`. Raises InputError if its genes are others."""
        if found.name == rows.name:
            return slice(None)
        place = {name: row for row, name in enumerate(found.name)}
        for here, there, names in ((self.first, file, rows.name), (file, self.first, found.name)):
            other = place if there == file else set(rows.name)
            if absent := [name for name in names if name not in other]:
                raise InputError(
                    f"{file} and {self.first} have other genes: {absent[0]} ({len(absent):,} such genes) is in {here} "
                    "only. Quantify all samples with one annotation"
                )
        return np.array([place[name] for name in rows.name])


def _read(path: Path, unit: Unit) -> _Table:
    """A file of RSEM, Salmon or kallisto, in `unit`. Raises InputError as Quantifications.averages."""
    numbered = numbered_rows(path)
    _, header = next(numbered)
    program = next((program for program in _PROGRAMS if program.row in header), None)
    if program is None or not any(column in header for column in program.column.values()):
        raise InputError(
            f"{path}, line 1: neither RSEM's nor Salmon's nor kallisto's columns; found: {', '.join(header[:8])}"
        )
    column = program.column.get(unit)
    if column is None:
        offered = " or ".join(program.column)
        raise InputError(
            f"{path}: {program.name} gives no {unit}, which the config asks for: set expression: unit: {offered}"
        )
    if column not in header:
        raise InputError(f"{path}, line 1: no column {column}, which holds {program.name}'s {unit}")
    refuse_repeated(path, header, [program.row, column])
    of_transcripts = program.row != "gene_id" and not _called_by_gene(path)
    at, value = header.index(program.row), header.index(column)
    names, places, texts = [], [], []
    for line, row in numbered:
        # Of GENCODE's long names, with gene, symbol and lengths after |, the first part is the transcript's id.
        names.append(row[at].partition("|")[0] if of_transcripts else row[at])
        places.append(f"line {line}")
        texts.append(row[value])
    if not names:
        raise InputError(f"{path}: no rows below the header")
    _refuse_repeated_rows(path, names, places)
    values = _numbers(path, column, places, texts)
    units.check(values[:, None], unit, path, places, [column], estimated=True)
    return _Table(names, places, values, of_transcripts)


def _called_by_gene(path: Path) -> bool:
    """Whether a file of Salmon's is by gene, which only its name tells."""
    return path.name.removesuffix(".gz").endswith(".genes.sf")


def _refuse_repeated_rows(path: Path, names: Sequence[str], places: Sequence[str]) -> None:
    if len(set(names)) == len(names):
        return
    seen: dict[str, str] = {}
    for name, place in zip(names, places):
        if name in seen:
            raise InputError(f"{path}, {place}: {name} is already on {seen[name]}")
        seen[name] = place


def _numbers(path: Path, column: str, places: Sequence[str], texts: Sequence[str]) -> np.ndarray:
    """The values (row,) of a column, which has one in every row."""
    try:
        values = np.array([float(text) for text in texts])
    except ValueError:
        values = np.array([float(text) if is_number(text) else np.nan for text in texts])
    if (bad := np.isnan(values)).any():
        row = int(np.argmax(bad))
        raise InputError(f"{path}, {places[row]}, column '{column}': '{texts[row]}' is no number")
    return values
