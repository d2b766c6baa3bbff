"""Splits of the genes into training, validation and test: dealt out as the config says, and read by all that learns.

A module of its own beside the gene table: an edit here repeats no inference.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chrom2expr.errors import InputError
from chrom2expr.files import tables
from chrom2expr.genome.contigs import plain
from chrom2expr.genome.genes import located_in, without_version

SPLITS = ("train", "val", "test")
COLUMNS = ("gene_id", "split")
# What a file of one's own may call them.
_WORDS = {"train": "train", "validation": "val", "val": "val", "test": "test"}


def split_genes(
    genes: pd.DataFrame,
    path: str | Path,
    name: str,
    section: Mapping[str, Any],
    seed: int,
    dropped: Collection[str] = (),
) -> pd.DataFrame:
    """`gene_id` and `split` (train, val or test) of every gene that takes part, in the order of `genes`.

    `genes` were read from `path`; `section` is splits: NAME of the config, of one of three forms:

    - held_out: chromosomes whose genes are halved by `seed` into validation and test (see `halved`);
    - validation, test: chromosomes for either (all as in the genes' own assembly);
    - file: a table with columns gene_id and split (train, validation or val, test). Genes that are not in it take no
      part; ids of `dropped` genes in it are passed over, and Ensembl versions are ignored.

    Raises InputError if a chromosome has no genes, the file holds another gene or something else than these words,
    naming the line, or one of the three is left empty.
    """
    if "file" in section:
        splits = _read_file(section["file"], genes["gene_id"], set(dropped))
    else:
        chromosomes = genes[f"chrom_{located_in(genes)[0]}"].map(plain).to_numpy(dtype=str)
        for key, named in section.items():
            if absent := sorted(name for name in named if plain(name) not in chromosomes):
                raise InputError(f"{path}: no gene on {', '.join(absent)}, which splits: {name}: {key} names")
        if "held_out" in section:
            splits = halved(chromosomes, [plain(name) for name in section["held_out"]], seed)
        else:
            splits = np.full(len(genes), "train", dtype=object)
            for key, part in (("validation", "val"), ("test", "test")):
                splits[np.isin(chromosomes, [plain(name) for name in section[key]])] = part
    sizes = {part: int((splits == part).sum()) for part in SPLITS}
    if not all(sizes.values()):
        raise InputError(
            f"{section.get('file', path)}: splits: {name} leaves an empty split ({sizes}). Training, validation and "
            "test need genes of their own: hold out chromosomes with more genes, and not all of them"
        )
    without = len(genes) - sum(sizes.values())
    print(f"{name}: " + ", ".join(f"{count:,} {part}" for part, count in sizes.items()) + f", {without:,} without")
    table = pd.DataFrame({"gene_id": genes["gene_id"].to_numpy(dtype=object), "split": splits})
    return table[table["split"] != ""]


def halved(chromosomes: Sequence[str], held_out: Sequence[str], seed: int) -> np.ndarray:
    """train, val or test for every gene (gene,), by its chromosome.

    The genes on `held_out` chromosomes are shuffled with `seed`; the first half (rounded down) is val, the rest test.
    """
    splits = np.full(len(chromosomes), "train", dtype=object)
    held = np.flatnonzero(np.isin(np.asarray(chromosomes, dtype=str), list(held_out)))
    shuffled = np.random.default_rng(seed).permutation(held)
    splits[shuffled[: len(held) // 2]] = "val"
    splits[shuffled[len(held) // 2 :]] = "test"
    return splits


def write_split(path: str | Path, table: pd.DataFrame) -> None:
    """Write what `split_genes` gave, whole or not at all."""
    tables.write_table(path, COLUMNS, table[list(COLUMNS)].itertuples(index=False, name=None))


def read_split(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """gene_id (gene,) and split (gene,), train, val or test, of a file that `write_split` wrote.

    Raises InputError, naming file and line, for a missing column, an unknown split or a gene that has two lines, and
    where no gene is in one of the three.
    """
    found: dict[str, str] = {}
    for line, row in tables.read_table(path, COLUMNS):
        gene, part = row["gene_id"], row["split"]
        if part not in SPLITS:
            raise InputError(f"{path}, line {line}: split is '{part}', not one of {', '.join(SPLITS)}")
        if gene in found:
            raise InputError(f"{path}, line {line}: gene {gene} has a split already; delete the file and run again")
        found[gene] = part
    for part in SPLITS:
        if part not in found.values():
            raise InputError(f"{path} puts no gene into {part}: see splits in the config")
    return np.array(list(found), dtype=object), np.array(list(found.values()), dtype=object)


def _read_file(path: str | Path, gene_id: pd.Series, dropped: Collection[str]) -> np.ndarray:
    """The split of every gene (gene,) by a file of one's own; "" for genes that are not in it."""
    # Genes of the table that differ in the version only cannot be told apart without it.
    known = [*gene_id, *dropped]
    alike = without_version if len({*map(without_version, known)}) == len({*known}) else str
    dropped = {*map(alike, dropped)}
    rows = {alike(gene): row for row, gene in enumerate(gene_id)}
    splits, lines = np.full(len(rows), "", dtype=object), {}
    for line, row in tables.read_table(path, COLUMNS, ours=False):
        gene, word = alike(row["gene_id"].strip()), row["split"].strip()
        if word not in _WORDS:
            raise InputError(f"{path}, line {line}: split is '{word}', not one of {', '.join(_WORDS)}")
        if gene in lines:
            raise InputError(f"{path}, line {line}: gene {gene} has a split already, on line {lines[gene]}")
        if gene not in rows and gene not in dropped:
            raise InputError(
                f"{path}, line {line}: gene {gene} is not in the gene table (resources: gene_annotation): correct its "
                "id, or take the line away"
            )
        lines[gene] = line
        if gene in rows:
            splits[rows[gene]] = _WORDS[word]
    return splits
