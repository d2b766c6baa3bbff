"""A first config for a lab's own files, with comments, and what it takes for granted: `chrom2expr init`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyBigWig
import yaml

from chrom2expr.errors import InputError
from chrom2expr.files.foreign import foreign, start_of
from chrom2expr.genome import annotation, expression
from chrom2expr.genome.contigs import called, plain

# Where bigWigs are binned, unless something else is asked for: Enformer's bins and context.
BIN_SIZE, WINDOW = 128, 114_688
# About this share of the genes is for validation, and as many for test.
_HELD_OUT = 0.1
# What a bigWig may be called.
_ENDINGS = (".bw", ".bigwig", ".bigWig")
# A correlation over fewer genes says nothing.
_FEWEST_GENES = 3


class Files(NamedTuple):
    """What a lab has: a FASTA, a gene table, a matrix with its unit, and a folder of bigWigs.

    `cells` is the column of obs by which the cells of an h5ad matrix are pooled, "" for other matrices.
    """

    genome: Path
    genes: Path
    expression: Path
    unit: str
    bigwigs: Path
    cells: str = ""


def draft(files: Files, name: str, config: Path, window: int = WINDOW) -> tuple[str, list[str]]:
    """The text of the file `config` for these files and a figure `name`, and lines that say what is taken for granted.

    Bins are BIN_SIZE bp, in a window of `window` bp around each TSS. Validation and test are chromosomes with about a
    tenth of the genes each. Raises InputError for a name that no file could have, a file that cannot be read as what it
    is to be, a matrix that contradicts its unit or names no gene, genes and bigWigs without a common contig, and
    chromosomes too few to hold two of them out.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_]*", name):
        raise InputError(f"{name}: a name has letters, digits and _, since it is that of a folder and an assembly")
    bins = window // BIN_SIZE
    if bins < 2 or window % (2 * BIN_SIZE):
        raise InputError(f"a window of {window} bp is not an even number of bins of {BIN_SIZE} bp")
    for path in (files.genome, files.genes, files.expression):
        if not path.is_file():
            raise InputError(f"{path}: there is no such file")
    start_of(files.genome, _not_fasta)
    ending, tracks = _tracks(files.bigwigs)
    bigwig = next(files.bigwigs.glob(f"*{ending}"))
    contigs = _contigs(bigwig)
    genes = annotation.read(files.genes, contigs=contigs)
    _check_contigs(files, bigwig, contigs, genes)
    cells = {"key": files.cells} if files.cells else {}
    matrix = expression.read_matrix(
        files.expression, genes, files.genes, unit=files.unit, unmatched="skip", cells=cells
    )
    validation, test = _held_out(files.genes, genes)
    with_values = int((matrix.values == matrix.values).any(axis=1).sum())
    sizes = genes["chrom"].map(plain).value_counts()
    assumed = [
        f"{len(genes):,} genes of {files.genes}, {with_values:,} of them with a row in {files.expression}; their TSSs "
        f"are on the genome of {files.genome}, here called {name}",
        f"expression is in {files.unit}, of {len(matrix.tissue):,} tissues ({', '.join(matrix.tissue[:3])}, …)",
        f"all {tracks:,} bigWigs (*{ending}) of {files.bigwigs} are tracks of the same genome, averaged over bins of "
        f"{BIN_SIZE} bp in the {window:,} bp around each TSS",
        f"genes of {validation} ({sizes[plain(validation)]:,}) are for validation, of {test} "
        f"({sizes[plain(test)]:,}) for test, all others for training",
    ]
    if len(matrix.tissue) < _FEWEST_GENES:
        assumed.append("with fewer than three tissues, correlations across them are undefined")
    settings = {
        "name": name,
        "config": config,
        "genome": files.genome,
        "genes": files.genes,
        "expression": files.expression,
        "unit": files.unit,
        "cells": f"\n  cells: {{key: {_quoted(files.cells)}}}" if files.cells else "",
        "template": files.bigwigs / f"{{identifier}}{ending}",
        "validation": validation,
        "test": test,
    }
    quoted = {key: _quoted(str(value)) for key, value in settings.items() if key not in ("name", "config", "cells")}
    text = _TEXT.format(**{**settings, **quoted}, window=window, bins=bins, bin_size=BIN_SIZE)
    return text, assumed


def _quoted(text: str) -> str:
    """Text as YAML writes it within a line, between quotes where it needs them."""
    return yaml.safe_dump([text], default_flow_style=True, width=10**6, allow_unicode=True).strip()[1:-1]


def _not_fasta(start: bytes) -> str | None:
    if start.startswith(b"\x1f\x8b"):
        return "packed by gzip, but is read at random: unpack it (gunzip)"
    return foreign(start) or (None if start.lstrip()[:1] == b">" else "no FASTA, which begins with >")


def _tracks(folder: Path) -> tuple[str, int]:
    """What the names of a folder's bigWigs end in, and how many there are."""
    if not folder.is_dir():
        raise InputError(f"{folder}: is no folder of bigWigs")
    found = {ending: len(list(folder.glob(f"*{ending}"))) for ending in _ENDINGS}
    there = {ending: count for ending, count in found.items() if count}
    if len(there) != 1:
        listed = ", ".join(f"{count} of *{ending}" for ending, count in there.items()) or "none"
        raise InputError(
            f"{folder}: bigWigs must all end in the same one of {', '.join(_ENDINGS)}; found {listed}. Rename them"
        )
    [(ending, count)] = there.items()
    return ending, count


def _contigs(bigwig: Path) -> Mapping[str, int]:
    """The contigs of a bigWig, {name: length in bp}."""
    try:
        with pyBigWig.open(str(bigwig)) as handle:
            return handle.chroms() or {}
    except RuntimeError:
        raise InputError(f"{bigwig}: is no bigWig") from None


def _check_contigs(files: Files, bigwig: Path, contigs: Mapping[str, int], genes: pd.DataFrame) -> None:
    """Raise InputError if no gene lies on a contig that a bigWig has."""
    names = [*dict.fromkeys(genes["chrom"])]
    if not called(names, contigs):
        raise InputError(
            f"{bigwig}: no gene of {files.genes} lies on a contig that it has: the genes lie on "
            f"{', '.join(names[:3])}, …, its contigs are {', '.join([*contigs][:3])}, …. Is it of another species?"
        )


def _held_out(path: Path, genes: pd.DataFrame) -> tuple[str, str]:
    """The chromosomes for validation and test: of those with genes, the two nearest to _HELD_OUT of all genes."""
    sizes = genes.groupby(genes["chrom"].map(plain))["chrom"].agg(["first", "size"])
    usable = sizes[sizes["size"] >= _FEWEST_GENES]
    if len(usable) < 3:
        raise InputError(
            f"{path}: {len(usable)} chromosomes have {_FEWEST_GENES} genes or more, but training, validation and test "
            "need one each. Copy a file of config/presets/ and give it a split by families (splits: NAME: families)"
        )
    distance = (usable["size"] - _HELD_OUT * len(genes)).abs()
    first, second = usable.assign(distance=distance).sort_values("distance", kind="stable")["first"].iloc[:2]
    return first, second


def assumptions(lines: Sequence[str]) -> str:
    """The lines of `draft` as a list.

    >>> print(assumptions(["the genes are right"]))
    It takes for granted:
    - the genes are right
    """
    return "\n".join(["It takes for granted:", *(f"- {line}" for line in lines)])


_TEXT = """\
# {name}: expression from measured tracks. Made by chrom2expr init. config/README.md explains every key.
#   chrom2expr check {config}                  what is wrong, or what it means
#   snakemake --cores 8 --configfile {config}  everything, to results/{name}/figures/{name}.pdf

# Models, losses and inputs come from there; nothing of the thesis's genomes and figures does.
base: config/base.yaml

pathvars:
  results: results/{name}
  resources: resources/{name}
  logs: results/{name}/logs
  benchmarks: results/{name}/benchmarks

resources:
  genome: {{path: {genome}}}
  gene_annotation: {{path: {genes}}}
  gene_expression: {{path: {expression}}}

assemblies:
  {name}: {{fasta: genome}}

# What the matrix's numbers are; it is never guessed. Heads learn ln(expression + 1) (expression: pseudocount).
expression:
  unit: {unit}{cells}

# Chromosomes whose genes the best settings are chosen by (validation), and that scores are of (test).
splits:
  chromosomes: {{validation: [{validation}], test: [{test}]}}

# Every file that the template finds is a track, the mean over each of the bins around a TSS.
sources:
  tracks:
    kind: measured
    split: chromosomes
    bigwigs: {{"": {template}}}
    geometry: {{sequence_length: {window}, bins: {bins}, bin_size: {bin_size}}}

figures:
  {name}:
    kind: scores
    x_label: Model
    groups: head
    series: loss
    runs:
      - {{source: tracks, inputs: all, head: [ridge], loss: mse}}
      - {{source: tracks, inputs: all, head: [cnn], loss: [mse, hybrid]}}
"""
