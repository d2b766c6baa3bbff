"""Sample sheets: which file of RSEM, Salmon or kallisto is of which sample, and of which tissue."""

import os
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from chrom2expr.errors import InputError
from chrom2expr.files.csv_rows import MISSING, is_number, numbered_rows, refuse_repeated

# The sheet's columns of which a config may name others.
COLUMNS = {"file": "file", "tissue": "tissue"}
_SAMPLE = "sample"
# What each program calls its results in the folder of a sample, the first choice first; gzip adds .gz.
_RESULTS = (("*.genes.results", "*.isoforms.results"), ("quant.genes.sf", "quant.sf"), ("abundance.tsv",))
# How Parquet and HDF5 begin, in which no sheet comes.
_BINARY = (b"PAR1", b"\x89HDF")


class Sample(NamedTuple):
    """A row of a sample sheet: the sample's name, its tissue, its file, and the row's line in the sheet (1-based)."""

    name: str
    tissue: str
    file: Path
    line: int


def is_sheet(path: str | Path, columns: Mapping[str, str] = COLUMNS) -> bool:
    """Whether a file is a sample sheet rather than a matrix: a table that has the `columns` for file and tissue.

    One that has only one of the two, and text where a matrix has numbers, is a sheet that lacks the other.
    """
    with open(path, "rb") as handle:
        if handle.read(4) in _BINARY:
            return False
    try:
        numbered = numbered_rows(path)
        _, header = next(numbered)
        found = set(columns.values()) & set(header)
        if not found or len(found) == len(columns):
            return bool(found)
        _, first = next(numbered, (0, []))
    except InputError:
        return False  # whoever reads it says what it is
    return any(field not in MISSING and not is_number(field) for field in first[1:])


def read(path: str | Path, columns: Mapping[str, str] = COLUMNS) -> list[Sample]:
    """The samples of a sheet, in its order: `columns` names those of each sample's file and tissue.

    A file is one of a quantification, or the folder that a program left of a sample; paths start from the sheet's
    folder. A column `sample` may name the samples.

    Raises InputError, naming file and line, for a column that is not there, an empty field, a row that is there twice,
    and a file or folder that is not there or holds no quantification, or several.
    """
    numbered = numbered_rows(path)
    _, header = next(numbered)
    wanted = [columns["file"], columns["tissue"], *([_SAMPLE] if _SAMPLE in header else [])]
    if lacking := [name for name in wanted if name not in header]:
        raise InputError(
            f"{path}, line 1: a sample sheet, but it has no column {', '.join(lacking)}; found: {', '.join(header)}. "
            "Add it, or name the column in the config (expression: samples)"
        )
    refuse_repeated(path, header, wanted)
    samples: list[Sample] = []
    lines: dict[tuple[str, str], int] = {}
    for line, row in numbered:
        fields = dict(zip(header, row))
        for name in wanted:
            if not fields[name]:
                raise InputError(f"{path}, line {line}: no {name}")
        try:
            file = _found(Path(path).parent / fields[columns["file"]])
        except InputError as error:
            raise InputError(f"{path}, line {line}: {error}") from None
        sample = fields.get(_SAMPLE, fields[columns["file"]])
        for key in (("file", os.path.normpath(file)), ("sample", sample)):
            if (first := lines.setdefault(key, line)) != line:
                raise InputError(f"{path}, line {line}: {' '.join(key)} is already on line {first}; keep one row")
        samples.append(Sample(sample, fields[columns["tissue"]], file, line))
    if not samples:
        raise InputError(f"{path}: no samples below the header")
    return samples


def files_of(path: str | Path, columns: Mapping[str, str] = COLUMNS) -> list[str]:
    """The files that a sample sheet names; none for a matrix, or while a sheet or a file of it is wrong or not there.

    What is wrong, the job that reads the sheet says.
    """
    try:
        return [str(sample.file) for sample in read(path, columns)] if is_sheet(path, columns) else []
    except (InputError, OSError):
        return []


def _found(path: Path) -> Path:
    """The file of a sample, itself or in its folder."""
    if not path.exists():
        raise InputError(f"there is no file or folder {path}; a path starts from the folder of the sheet")
    if path.is_dir():
        return _inside(path)
    if path.suffix == ".h5":
        raise InputError(f"{path} is not read; name kallisto's abundance.tsv (kallisto h5dump makes it)")
    return path


def _inside(folder: Path) -> Path:
    """The one quantification in a folder, by genes where a program left that too."""
    names = sorted(os.listdir(folder))
    found: list[str] = []
    for patterns in _RESULTS:
        hits = ([name for name in names if fnmatch(name.removesuffix(".gz"), pattern)] for pattern in patterns)
        found += next(filter(None, hits), [])
    if len(found) == 1:
        return folder / found[0]
    if found:
        raise InputError(f"{folder} holds several quantifications: {', '.join(found[:3])}; name one of them")
    if "abundance.h5" in names:
        raise InputError(f"{folder}/abundance.h5 is not read; kallisto h5dump makes an abundance.tsv of it")
    raise InputError(
        f"{folder} holds no *.genes.results, *.isoforms.results (RSEM), quant.genes.sf, quant.sf (Salmon) or "
        "abundance.tsv (kallisto)"
    )
