"""Splits of the genes into training, validation and test: dealt out as the config says, and read by all that learns.

A module of its own beside the gene table: an edit here repeats no inference.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chrom2expr.errors import InputError
from chrom2expr.files import tables
from chrom2expr.genome.contigs import plain
from chrom2expr.genome.gene_ids import compared_by
from chrom2expr.genome.genes import gene_of, located_in
from chrom2expr.job import tell

SPLITS = ("train", "val", "test")
COLUMNS = ("gene_id", "split")
# What a file of one's own may call them.
_WORDS = {"train": "train", "validation": "val", "val": "val", "test": "test"}
# The fewest genes that have a correlation to speak of.
SCORED = 3
_OTHERS = "hold out chromosomes with more genes, and not all of them"
# What to do about an empty part, by a key of each form.
_MENDED = {
    "held_out": _OTHERS,
    "validation": _OTHERS,
    "folds": "set fewer folds",
    "families": "most genes may be in one group (the log says): raise families: shared, or compare a shorter window",
    "file": "name some of each",
}


def split_genes(
    genes: pd.DataFrame,
    path: str | Path,
    name: str,
    section: Mapping[str, Any],
    seed: int,
    dropped: Collection[str] = (),
    groups: np.ndarray | None = None,
) -> pd.DataFrame:
    """`gene_id` and `split` (train, val or test) of every gene that takes part, in the order of `genes`.

    `genes` were read from `path`; `section` is splits: NAME of the config, of one of these forms:

    - held_out: chromosomes whose genes are halved by `seed` into validation and test (see `halved`);
    - validation, test: chromosomes for either (all as in the genes' own assembly);
    - folds, fold: group `fold` (from 0) of the chromosomes is for test, the next for validation (see `fold_groups`);
    - families: shares of the genes for validation and test, to which whole groups are dealt out by `seed` (see
      `dealt`); `groups` (gene,) says which group each is in (see families.groups);
    - file: a table with columns gene_id and split (train, validation or val, test). Genes that are not in it take no
      part; ids of `dropped` genes in it are passed over, and Ensembl versions are ignored.

    Rows of one gene (see genes.gene_of) count as one, which lies where its first row does, and are in one part.

    Raises InputError if a chromosome has no genes, there are fewer of them than folds, the file holds another gene or
    something else than these words, naming the line, or one of the three is left empty.
    """
    of_gene, first = _rows_of_genes(genes["gene_id"])
    if "file" in section:
        splits = _read_file(section["file"], genes["gene_id"], set(dropped))
    elif "families" in section:
        shares = {"test": section["families"]["test"], "val": section["families"]["validation"]}
        splits = dealt(groups[first], genes["gene_id"].iloc[first].to_numpy(dtype=str), shares, seed)[of_gene]
    else:
        chromosomes = genes[f"chrom_{located_in(genes)[0]}"].map(plain).to_numpy(dtype=str)[first]
        splits = _by_chromosome(chromosomes, path, f"splits: {name.partition('@')[0]}", section, seed)[of_gene]
    sizes = {part: int((splits == part).sum()) for part in SPLITS}
    if not all(sizes.values()):
        given = next(form for form in _MENDED if form in section)
        raise InputError(
            f"{section.get('file', path)}: splits: {name} leaves an empty split ({sizes}). Training, validation and "
            f"test need genes of their own: {_MENDED[given]}"
        )
    without = len(genes) - sum(sizes.values())
    print(f"{name}: " + ", ".join(f"{count:,} {part}" for part, count in sizes.items()) + f", {without:,} without")
    counts = {part: len({*of_gene[splits == part]}) for part in SPLITS}
    if few := [f"{count} in {part}" for part, count in counts.items() if count < SCORED]:
        tell(f"{name}: few genes, {', '.join(few)}: a correlation over genes needs {SCORED}")
    table = pd.DataFrame({"gene_id": genes["gene_id"].to_numpy(dtype=object), "split": splits})
    return table[table["split"] != ""]


def _rows_of_genes(gene_id: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """The number of each row's gene (row,), and the first row of each gene (gene,), in the order of the table."""
    of_gene, _ = pd.factorize(gene_id.map(gene_of))
    return of_gene, np.unique(of_gene, return_index=True)[1]


def _by_chromosome(
    chromosomes: np.ndarray, path: str | Path, where: str, section: Mapping[str, Any], seed: int
) -> np.ndarray:
    """The split (gene,) by the genes' plain chromosomes (gene,); `where` names the section of the config."""
    if "folds" in section:
        try:
            dealt_out = fold_groups(chromosomes, section["folds"])
        except InputError as error:
            raise InputError(f"{path}: {where}: {error}") from None
        named = {"test": dealt_out[section["fold"]], "val": dealt_out[(section["fold"] + 1) % len(dealt_out)]}
    else:
        for key, given in section.items():
            if absent := sorted(name for name in given if plain(name) not in chromosomes):
                raise InputError(f"{path}: no gene on {', '.join(absent)}, which {where}: {key} names")
        if "held_out" in section:
            return halved(chromosomes, [plain(name) for name in section["held_out"]], seed)
        named = {part: [plain(name) for name in section[key]] for key, part in _WORDS.items() if key in section}
    splits = np.full(len(chromosomes), "train", dtype=object)
    for part, these in named.items():
        splits[np.isin(chromosomes, these)] = part
    return splits


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


def fold_groups(chromosomes: Iterable[str], folds: int) -> list[list[str]]:
    """The chromosomes, dealt out to `folds` groups of about as many genes; `chromosomes` is that of every gene.

    The one with most genes comes first, each goes to the group with fewest genes so far, and of equals the first by
    its plain name (contigs.plain), or the first group. (Longest processing time first: Graham 1969.) Raises InputError
    if there are fewer chromosomes than groups.

    >>> fold_groups(["chr1"] * 5 + ["chr2"] * 3 + ["chr3"] * 2 + ["4"] * 2, 3)
    [['1'], ['2'], ['3', '4']]
    """
    counts = Counter(map(plain, chromosomes))
    if len(counts) < folds:
        raise InputError(
            f"folds is {folds}, but there are genes on {len(counts)} chromosomes only ({', '.join(sorted(counts))}), "
            "and each is in one fold: lower it"
        )
    found: list[list[str]] = [[] for _ in range(folds)]
    sizes = [0] * folds
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        smallest = sizes.index(min(sizes))
        found[smallest].append(name)
        sizes[smallest] += counts[name]
    return found


def dealt(groups: np.ndarray, gene_id: np.ndarray, shares: Mapping[str, float], seed: int) -> np.ndarray:
    """The part (gene,) of every gene, whole groups together; `groups` (gene,) numbers them, whatever their order.

    The groups are shuffled with `seed` and go to each part of `shares`, one after another, until it has that share of
    the genes, rounded; one that has more genes than that goes to another part. So a part gets less than one group too
    much. All others are train. The order of the genes makes no difference.
    """
    sizes = Counter(groups.tolist())
    lowest = pd.Series(gene_id).groupby(groups).min()
    shuffled = np.random.default_rng(seed).permutation(lowest.sort_values().index.to_numpy())
    part_of: dict[int, str] = {}
    for part, share in shares.items():
        wanted, taken = round(share * len(gene_id)), 0
        for group in shuffled.tolist():
            if taken < wanted and group not in part_of and sizes[group] <= wanted:
                part_of[group] = part
                taken += sizes[group]
    return np.array([part_of.get(group, "train") for group in groups.tolist()], dtype=object)


def write_split(path: str | Path, table: pd.DataFrame) -> None:
    """Write what `split_genes` gave, whole or not at all."""
    tables.write_table(path, COLUMNS, table[list(COLUMNS)].itertuples(index=False, name=None))


def read_split(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """gene_id (gene,) and split (gene,), train, val or test, of a file that `write_split` wrote.

    Raises InputError, naming file and line, for a missing column, an unknown split or a gene that has two lines, and
    where no gene is in one of the three.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     table = pd.DataFrame({"gene_id": ["A", "B", "C"], "split": ["train", "val", "test"]})
    ...     write_split(f"{folder}/mine.tsv", table)
    ...     gene_id, split = read_split(f"{folder}/mine.tsv")
    >>> dict(zip(gene_id, split))
    {'A': 'train', 'B': 'val', 'C': 'test'}
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
    """The split of every row (row,) by a file of one's own; "" for those that are not in it.

    A line names a gene, and so all its rows, or one row.
    """
    known = [*gene_id, *sorted(dropped)]
    bare = compared_by(known)
    rows: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(known):
        for key in {bare(name), bare(gene_of(name))}:
            rows[key].append(row)
    splits, lines = np.full(len(known), "", dtype=object), dict[int, int]()
    genes: dict[str, tuple[str, int]] = {}
    for line, cells in tables.read_table(path, COLUMNS, ours=False):
        gene, word = cells["gene_id"].strip(), cells["split"].strip()
        key = bare(gene)
        if word not in _WORDS:
            raise InputError(f"{path}, line {line}: split is '{word}', not one of {', '.join(_WORDS)}")
        if key not in rows:
            raise InputError(
                f"{path}, line {line}: gene {gene} is not in the gene table (resources: gene_annotation): correct its "
                "id, or take the line away"
            )
        part, first = genes.setdefault(gene_of(key), (_WORDS[word], line))
        for row in rows[key]:
            if row in lines:
                raise InputError(f"{path}, line {line}: gene {gene} has a split already, on line {lines[row]}")
            lines[row] = line
        if part != _WORDS[word]:
            raise InputError(
                f"{path}, line {line}: {gene} is for {_WORDS[word]}, but another TSS of its gene is for {part}, on "
                f"line {first}: give all TSSs of a gene one part"
            )
        splits[rows[key]] = part
    return splits[: len(gene_id)]
