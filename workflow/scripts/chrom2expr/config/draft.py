"""A first config for a lab's own files, with comments, and what it takes for granted: `chrom2expr init`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyBigWig
import yaml

from chrom2expr.errors import InputError
from chrom2expr.genome import annotation, expression
from chrom2expr.genome.contigs import called, check_lengths, lacking, listed, plain
from chrom2expr.genome.liftover import build_genes
from chrom2expr.genome.sequences import temporarily_indexed
from chrom2expr.genome.splits import SCORED

# Where bigWigs are binned, unless something else is asked for: Enformer's bins and context.
BIN_SIZE, WINDOW = 128, 114_688
# About this share of the genes is for validation, and as many for test.
_HELD_OUT = 0.1
# What a bigWig may be called.
_ENDINGS = (".bw", ".bigwig", ".bigWig")
# A correlation over fewer says nothing.
_FEWEST_TISSUES = 3


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
    tenth of the genes each. Genes on contigs that the genome lacks are left out, and a line says so.

    Raises InputError for a name that no file could have, a file that cannot be read as what it is to be, a matrix that
    contradicts its unit or names no gene, genes that the genome or a bigWig does not know, or past a contig's end,
    bigWigs of another genome, and chromosomes too few to hold two of them out.
    """
    _check_name(name)
    bins = window // BIN_SIZE
    if bins < 2 or window % (2 * BIN_SIZE):
        raise InputError(f"a window of {window} bp is not an even number of bins of {BIN_SIZE} bp")
    for path in (files.genome, files.genes, files.expression):
        if not path.is_file():
            raise InputError(f"{path}: there is no such file")
    with temporarily_indexed(files.genome) as (genome, _):
        contigs = genome.contigs
    genes = annotation.read(files.genes, contigs=contigs)
    unknown = lacking(genes["chrom"], files.genes, contigs, files.genome)
    genes, _ = build_genes(
        genes, files.genes, name, [], contigs, exclude_types=[], exclude_chromosomes=unknown, contigs="all"
    )
    genes = genes.rename(columns={f"chrom_{name}": "chrom"}).assign(line="")
    ending, bigwigs = _bigwigs(files.bigwigs)
    for path in bigwigs:
        _check_bigwig(path, files, genes["chrom"], contigs)
    matrix = expression.read_matrix(
        files.expression,
        genes,
        files.genes,
        unit=files.unit,
        unmatched="skip",
        cells={"key": files.cells} if files.cells else {},
    )
    validation, test = _held_out(files.genes, genes)
    with_values = int((matrix.values == matrix.values).any(axis=1).sum())
    sizes = genes["chrom"].map(plain).value_counts()
    assumed = [
        f"{len(genes):,} genes of {files.genes}, {with_values:,} of them with a row in {files.expression}; their TSSs "
        f"are on the genome of {files.genome}, here called {name}",
        f"expression is in {files.unit}, of {listed(matrix.tissue, 'tissue')}",
        f"all {len(bigwigs):,} bigWigs (*{ending}) of {files.bigwigs} are tracks of the same genome, averaged over "
        f"bins of {BIN_SIZE} bp in the {window:,} bp around each TSS",
        f"genes of {validation} ({sizes[plain(validation)]:,}) are for validation, of {test} "
        f"({sizes[plain(test)]:,}) for test, all others for training",
    ]
    if unknown:
        assumed.append(f"genes on {listed(unknown, 'contig')} that {files.genome} lacks are left out")
    few = len(matrix.tissue) < _FEWEST_TISSUES
    if few:
        assumed.append(
            f"with fewer than {_FEWEST_TISSUES} tissues, correlations across them say nothing: no loss has them"
        )
    excluded = f"genes:\n  exclude_chromosomes: [{', '.join(map(_quoted, unknown))}]\n\n" if unknown else ""
    settings = {
        "name": name,
        "config": config,
        "genome": _quoted(str(files.genome)),
        "genes": _quoted(str(files.genes)),
        "expression": _quoted(str(files.expression)),
        "excluded": excluded,
        "unit": files.unit,
        "cells": f"\n  cells: {{key: {_quoted(files.cells)}}}" if files.cells else "",
        "template": _quoted(str(files.bigwigs / f"{{identifier}}{ending}")),
        "validation": _quoted(validation),
        "test": _quoted(test),
        "losses": "mse" if few else "[mse, hybrid]",
    }
    return _TEXT.format(**settings, window=window, bins=bins, bin_size=BIN_SIZE), assumed


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or yaml.safe_load(name) != name:
        raise InputError(
            f"{name}: cannot be the name of a folder and an assembly, which has letters, digits and _ and begins with "
            "a letter, and is no word of YAML's: give another one (--name)"
        )


def _quoted(text: str) -> str:
    """Text as YAML writes it within a line, between quotes where it needs them."""
    return yaml.safe_dump([text], default_flow_style=True, width=10**6, allow_unicode=True).strip()[1:-1]


def _bigwigs(folder: Path) -> tuple[str, list[Path]]:
    """What the names of a folder's bigWigs end in, and the bigWigs."""
    if not folder.is_dir():
        raise InputError(f"{folder}: is no folder of bigWigs")
    found = {ending: sorted(folder.glob(f"*{ending}")) for ending in _ENDINGS}
    there = {ending: paths for ending, paths in found.items() if paths}
    if len(there) != 1:
        listed = ", ".join(f"{len(paths)} of *{ending}" for ending, paths in there.items()) or "none"
        raise InputError(
            f"{folder}: bigWigs must all end in the same one of {', '.join(_ENDINGS)}; found {listed}. Rename them"
        )
    return next(iter(there.items()))


def _check_bigwig(path: Path, files: Files, chrom: pd.Series, genome: Mapping[str, int]) -> None:
    """Raise InputError for a file that is no bigWig, or of another genome than the genes."""
    try:
        with pyBigWig.open(str(path)) as handle:
            contigs = handle.chroms() or {}
    except RuntimeError:
        raise InputError(f"{path}: is no bigWig") from None
    names = [*dict.fromkeys(chrom)]
    if not called(names, contigs):
        raise InputError(
            f"{path}: no gene of {files.genes} lies on a contig that it has: the genes lie on "
            f"{listed(names, 'contig')}, it has {listed([*contigs], 'contig')}. Is it of another species?"
        )
    used = called(names, genome).values()
    check_lengths(used, contigs, genome, str(path), f"it is of another assembly than {files.genome}")


def _held_out(path: Path, genes: pd.DataFrame) -> tuple[str, str]:
    """The chromosomes for validation and test: of those with genes, the two nearest to _HELD_OUT of all genes."""
    sizes = genes.groupby(genes["chrom"].map(plain))["chrom"].agg(["first", "size"])
    usable = sizes[sizes["size"] >= SCORED]
    if len(usable) < 3:
        raise InputError(
            f"{path}: {len(usable)} chromosomes have {SCORED} genes or more, but training, validation and test "
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

{excluded}# What the matrix's numbers are; it is never guessed. Heads learn ln(expression + pseudocount), which is 1.
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
      - {{source: tracks, inputs: all, head: [cnn], loss: {losses}}}
"""
