"""Families of genes that a split keeps together: those that a table names, and those whose windows are alike."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from chrom2expr.errors import InputError
from chrom2expr.files import tables
from chrom2expr.genome.gene_ids import compared_by
from chrom2expr.genome.genes import gene_of, locate
from chrom2expr.genome.sequences import Genome
from chrom2expr.genome.similarity import Kmers, read_kmers, similar, windows_of
from chrom2expr.genome.windows import Geometry

COLUMNS = ("gene_id", "family")


def groups(
    gene_id: Sequence[str],
    table: str | Path | None = None,
    kmers: Kmers | None = None,
    shared: float = 0.0,
    dropped: Collection[str] = (),
) -> np.ndarray:
    """The number of its group for every row of the gene table (row,), by their ids.

    A group is what hangs together by any of these: rows of one gene (see genes.gene_of), genes of one family of
    `table` (see read_families), and rows of whose windows one has more than `shared` of its `kmers` in the other.
    Without `kmers`, no windows are compared. Raises InputError as read_families.
    """
    gene, _ = pd.factorize(np.array([gene_of(row) for row in gene_id], dtype=object))
    found = {"windows": 0, "genes": 0}

    def links() -> Iterator[np.ndarray]:
        yield np.column_stack([np.arange(len(gene)), np.unique(gene, return_index=True)[1][gene]])
        if table is not None:
            yield read_families(table, gene_id, dropped)
        for pairs in similar(kmers, shared) if kmers is not None else ():
            found["windows"] += len(pairs)
            found["genes"] += int((gene[pairs[:, 0]] != gene[pairs[:, 1]]).sum())
            yield pairs

    group = joined(len(gene), links())
    sizes = np.bincount(group[np.unique(gene, return_index=True)[1]])
    single = (sizes == 1).sum()
    print(f"{len(sizes):,} groups of genes, the largest of {sizes.max(initial=0):,}; {single:,} of one gene")
    if kmers is not None:
        print(
            f"{found['windows']:,} pairs of windows share more than {shared:g} of their 31-mers, {found['genes']:,} of "
            f"them of different genes; {(~kmers.known).sum():,} windows have too few to be compared"
        )
    return group


def joined(count: int, links: Iterable[np.ndarray]) -> np.ndarray:
    """The number of its group (item,) for each of `count` items: what `links`, arrays (pair, 2) of items, join.

    >>> joined(5, [np.array([[0, 3]]), np.array([[3, 4]])]).tolist()
    [0, 1, 2, 0, 0]
    """
    group = np.arange(count)
    for pairs in links:
        size = group.max(initial=-1) + 1
        edges = coo_array((np.ones(len(pairs)), (group[pairs[:, 0]], group[pairs[:, 1]])), shape=(size, size))
        _, merged = connected_components(edges, directed=False)
        group = merged[group]
    return group


def read_families(path: str | Path, gene_id: Sequence[str], dropped: Collection[str] = ()) -> np.ndarray:
    """Pairs (pair, 2) of rows, numbers in `gene_id`, that join those of each family of a table of the user's own.

    The table has columns gene_id and family, separated by tabs, and a line for each family of a gene. An id is that of
    a gene, or of a row of it; Ensembl's versions are ignored. Genes without a family, or that the gene table lacks, are
    passed over and counted; `dropped` genes are not counted.

    Raises InputError if no gene of the table is in the gene table, naming some of either.
    """
    bare = compared_by([*gene_id, *dropped])
    rows: dict[str, int] = {}
    for row, name in enumerate(gene_id):
        rows[bare(name)] = row
        rows.setdefault(bare(gene_of(name)), row)  # its other rows hang together with this one
    left_out = {bare(given) for name in dropped for given in (name, gene_of(name))}
    members: dict[str, list[int]] = defaultdict(list)
    absent: dict[str, None] = {}
    for _, cells in tables.read_table(path, COLUMNS, ours=False):
        gene, family = cells["gene_id"].strip(), cells["family"].strip()
        if bare(gene) not in rows:
            absent |= {} if bare(gene) in left_out else {gene: None}
        elif family:
            members[family].append(rows[bare(gene)])
    if not members:
        raise InputError(
            f"{path}: no family of a gene of the gene table. It has such genes as {_some(absent) or 'none'}, the gene "
            f"table such as {_some(gene_id)}: both need the same kind of ids"
        )
    several = sum(len(set(family)) > 1 for family in members.values())
    print(
        f"{path}: {len(members):,} families, {several:,} of several genes; {len(absent):,} ids that the gene table "
        "lacks are passed over"
    )
    return np.array([(family[0], row) for family in members.values() for row in family])


def _some(ids: Iterable[str]) -> str:
    return ", ".join(list(ids)[:3])


def read_windows(genes: pd.DataFrame, genome: Genome, assembly: str, length: int) -> Kmers:
    """The k-mers of the `length` bp around each TSS of a tss.tsv in `assembly`.

    Contigs are called as in `genome` (see genes.read_genes_in). The TSS is the base in the middle, index length // 2;
    what lies past a contig's ends is N.
    """
    return read_kmers(windows_of(locate(genes, assembly), genome, Geometry.centred(length, 1, length)))
