"""Ids of genes in a table of the user's own, whose annotation may be of another release than the gene table's."""

import re
from collections.abc import Callable, Collection

from chrom2expr.genome.genes import gene_of, without_version


def compared_by(known: Collection[str]) -> Callable[[str], str]:
    """What turns ids into those that are compared: without Ensembl's versions, of the transcript after @ too.

    Ids are left alone if some of the `known` ones differ in their versions only, and cannot be told apart without.

    >>> compared_by(["ENSG00000223972.5@ENST00000456328.2"])("ENSG00000223972.4@ENST00000456328")
    'ENSG00000223972@ENST00000456328'
    >>> compared_by(["ENSG00000223972.5", "ENSG00000223972.6"])("ENSG00000223972.5")
    'ENSG00000223972.5'
    """
    ids = {*known, *map(gene_of, known)}
    return _without_versions if len({*map(_without_versions, ids)}) == len(ids) else str


def _without_versions(row_id: str) -> str:
    gene, at, transcript = row_id.partition("@")
    return without_version(gene) + at + re.sub(r"^(ENS[A-Z]*T\d{11})\.\d+(?:_\d+)?", r"\1", transcript)
