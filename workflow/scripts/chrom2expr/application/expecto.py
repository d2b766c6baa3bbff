"""ExPecto's own effects of variants on expression, from the files between its two programs.

Zhou et al. 2018 (ExPecto): the chromatin effects of a variant, alternative - reference, the mean of both strands, are
predicted in 2,000 bp windows around variant + s, s = -800, -600, ..., 800. Each is weighted by the spatial basis at
d = (variant - TSS + s) x strand: exp(-a_k floor(|d| / 200)), the five upstream functions where d <= 0, the five
downstream ones where d >= 0. The sum over s, times the weights of a tissue's model, is the effect; it has no intercept.

Files are as chromatin.py leaves them and predict.py reads them; positions in them are 1-based.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from chrom2expr.errors import InputError, reading
from chrom2expr.files.csv_rows import open_text
from chrom2expr.files.hdf5 import open_others
from chrom2expr.files.whole import whole_file
from chrom2expr.heads.expecto_models import Models, read_models
from chrom2expr.tracks.reductions import DECAY_LENGTH, DECAYS

SHIFTS = tuple(range(-800, 801, 200))  # bp from the variant to the middle of a window
# Variants that are in memory at a time: 10 x 2,002 float64 each, and what is read of them.
BLOCK = 200


class Variant(NamedTuple):
    """A row of the file of variants: 1-based position."""

    chrom: str
    pos: int
    ref: str
    alt: str


class Gene(NamedTuple):
    """The gene that a variant is held against: its strand, 1 or -1, and TSS - variant in bp on the forward strand."""

    gene_id: str
    strand: int
    offset: int


def spatial_weights(offset: np.ndarray, strand: np.ndarray) -> np.ndarray:
    """The basis at every shift of every variant, (variant, shift, 10) float64: upstream, then downstream.

    offset: (variant,) TSS - variant in bp; strand: (variant,) 1 or -1.

    >>> spatial_weights(np.array([300]), np.array([1]))[0, SHIFTS.index(0), [0, 5]].round(4).tolist()
    [0.99, 0.0]
    """
    d = (np.asarray(SHIFTS) - np.asarray(offset)[:, None]) * np.asarray(strand)[:, None]
    decays = np.exp(-np.multiply.outer(np.abs(d) // DECAY_LENGTH, DECAYS))
    return np.concatenate([decays * (d <= 0)[..., None], decays * (d >= 0)[..., None]], axis=-1)


def expression_effects(effects: np.ndarray, offset: np.ndarray, strand: np.ndarray, models: Models) -> np.ndarray:
    """Effects on expression, (variant, tissue) float64, ln of the ratio alternative / reference.

    effects: (shift, variant, track), of SHIFTS, the mean of both strands; offset, strand: see `spatial_weights`.

    >>> models = Models(weights=np.ones((1, 10, 2)), bias=np.zeros(1), listed=[])
    >>> effects = np.full((len(SHIFTS), 1, 2), 0.01)  # of two tracks, the same in all nine windows
    >>> expression_effects(effects, np.array([50]), np.array([1]), models).round(4).tolist()
    [[0.7981]]
    """
    summed = np.einsum("vsk,svt->vkt", spatial_weights(offset, strand), effects.astype(np.float64), optimize=True)
    weights = models.weights.reshape(len(models.weights), -1)
    return summed.reshape(len(summed), -1) @ weights.T


def write_effects(
    variants: str | Path, genes: str | Path, effects: str, models: str | Path, output: str | Path
) -> tuple[int, int]:
    """Write chrom, pos (1-based), ref, alt, gene, and the effect in each tissue; return how many variants and tissues.

    variants: tab-separated as VCF is (chromosome, position, id, reference, alternative), with or without its header.
    genes: tab-separated without a header; the first and third column are chromosome and position of a variant, the last
    three strand, gene and TSS - variant; its rows may have any order, and the first of a position counts. effects: the
    files' name, {shift} in place of the shift; each holds `pred`, 2n rows: n forward, n reverse strand. models: a list
    of models, in whose order the tissues are.

    Raises InputError, naming file and row, before anything is written.
    """
    if "{shift}" not in effects:
        raise InputError(f"{effects}: has no {{shift}}, where the files' names have 0, 200, -200, ...")
    rows = read_variants(variants)
    found = _matched(rows, read_genes(genes), variants, genes)
    known = read_models(models)
    offset, strand = (np.array([getattr(gene, name) for gene in found]) for name in ("offset", "strand"))
    with ExitStack() as stack:
        files = [Path(effects.replace("{shift}", str(shift))) for shift in SHIFTS]
        read = [_opened(stack, file, len(rows), known, variants) for file in files]
        partial = stack.enter_context(whole_file(output))
        handle = stack.enter_context(open(partial, "w", encoding="utf-8", newline=""))
        handle.write("\t".join([*Variant._fields, "gene", *known.tissue]) + "\n")
        for start in range(0, len(rows), BLOCK):
            part = slice(start, min(start + BLOCK, len(rows)))
            block = np.stack([_mean_of_strands(*one, part, len(rows)) for one in zip(files, read, strict=True)])
            values = expression_effects(block, offset[part], strand[part], known)
            for row, gene, effect in zip(rows[part], found[part], values, strict=True):
                cells = [*map(str, row), gene.gene_id, *(f"{value:.9g}" for value in effect)]
                handle.write("\t".join(cells) + "\n")
    return len(rows), len(known.tissue)


def read_variants(path: str | Path) -> list[Variant]:
    """The variants of a file in VCF's columns, without its header, if any. Raises InputError naming the row."""
    variants = []
    for line, cells in _rows(path, 5, "chromosome, position, id, reference and alternative"):
        variants.append(Variant(cells[0], _whole(cells[1], "position", path, line), cells[3], cells[4]))
    if not variants:
        raise InputError(f"{path}: holds no variants")
    return variants


def read_genes(path: str | Path) -> dict[tuple[str, int], tuple[int, list[str]]]:
    """The rows of a table of genes by chromosome, without chr, and position: line number and the last three cells."""
    rows: dict[tuple[str, int], tuple[int, list[str]]] = {}
    for line, cells in _rows(path, 6, "chromosome, start, position, ..., strand, gene and TSS - variant"):
        key = _plain(cells[0]), _whole(cells[2], "position", path, line)
        rows.setdefault(key, (line, cells[-3:]))
    return rows


def _matched(
    variants: Sequence[Variant],
    rows: dict[tuple[str, int], tuple[int, list[str]]],
    file: str | Path,
    table: str | Path,
) -> list[Gene]:
    """The gene of every variant."""
    genes = []
    for variant in variants:
        key = _plain(variant.chrom), variant.pos
        if key not in rows:
            raise InputError(
                f"{table}: has no row of {variant.chrom}:{variant.pos}, which {file} has: its first column must be the "
                "chromosome, its third the position"
            )
        line, (strand, gene, offset) = rows[key]
        if strand not in ("+", "-"):
            raise InputError(
                f"{table}, row {line}: strand is {strand!r}, not + or -: the last three columns must be "
                "strand, gene and TSS - variant"
            )
        genes.append(Gene(gene, 1 if strand == "+" else -1, _whole(offset, "TSS - variant", table, line)))
    return genes


def _opened(stack: ExitStack, path: Path, variants: int, models: Models, file: str | Path) -> h5py.Dataset:
    """The predictions of a shift. Raises InputError where they are not of these variants and of the models' tracks."""
    with reading(path, "HDF5 file", "make it again with ExPecto's chromatin.py"):
        found = stack.enter_context(open_others(path)).get("pred")
    if not isinstance(found, h5py.Dataset) or found.ndim != 2 or found.dtype.kind != "f":
        raise InputError(f"{path}: holds no table of numbers `pred`: not left by ExPecto's chromatin.py")
    if found.shape[0] != 2 * variants:
        raise InputError(
            f"{path}: `pred` has {found.shape[0]:,} rows, but the {variants:,} variants of {file} have "
            f"{2 * variants:,}, forward and reverse strand; chromatin.py leaves out variants on other contigs than "
            "chr1-22, X and Y: take them out of the file"
        )
    if found.shape[1] != models.weights.shape[2]:
        raise InputError(
            f"{path}: `pred` has {found.shape[1]:,} tracks, but the models have weights for {models.weights.shape[2]:,}"
        )
    return found


def _mean_of_strands(path: Path, found: h5py.Dataset, part: slice, variants: int) -> np.ndarray:
    """(variant, track) float64 of some variants: forward is their row, reverse that many rows further on."""
    with reading(path, "HDF5 file", "make it again with ExPecto's chromatin.py"):
        forward, reverse = found[part], found[part.start + variants : part.stop + variants]
    mean = (forward.astype(np.float64) + reverse) / 2
    if len(broken := np.flatnonzero(~np.isfinite(mean).all(axis=1))):
        row = part.start + broken[0] + 1
        raise InputError(f"{path}: `pred` of variant {row:,} (1-based) is not a finite number; make the file again")
    return mean


def _rows(path: str | Path, least: int, what: str) -> Iterator[tuple[int, list[str]]]:
    """Line number (1-based) and cells of each line of tab-separated text that is not empty or begins with #."""
    with reading(path, "text with tabs", "check the path"), open_text(path) as handle:
        for line, row in enumerate(handle, start=1):
            if not row.strip() or row.startswith("#"):
                continue
            cells = row.rstrip("\r\n").split("\t")
            if len(cells) < least:
                raise InputError(f"{path}, row {line}: {len(cells)} cells with tabs between them; needs {what}")
            yield line, cells


def _whole(cell: str, what: str, path: str | Path, line: int) -> int:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not value.is_integer():
        raise InputError(f"{path}, row {line}: {what} is {cell!r}, not a whole number")
    return int(value)


def _plain(chrom: str) -> str:
    return chrom.removeprefix("chr")
