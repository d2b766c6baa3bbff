"""What is known of each test gene of a source that it, or something like it, was learned from: rows and their files."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, TypeVar

from chrom2expr.files import tables

# Whether a backbone was trained on a gene's TSS: as Seen.tss says, or it is not known, or there is no such backbone.
YES, NO, UNKNOWN, NONE = "yes", "no", "unknown", "none"

_Row = TypeVar("_Row", "Compared", "Audited")


class Compared(NamedTuple):
    """A test gene's window, held against those of the training and the validation genes.

    `train_gene_id` is the training gene whose window covers most of it, `train_overlap_bp` how much, and
    `train_overlap` that share of its bp; `train_same_tss` a training gene at the same TSS; and so on of validation.
    `similar_gene_id` is the training gene in whose window most of its 31-mers are found, `similar` their share. No gene
    is an empty id; `similar` is NaN where it is unknown.
    """

    gene_id: str
    train_gene_id: str
    train_overlap_bp: int
    train_overlap: float
    train_same_tss: str
    val_gene_id: str
    val_overlap_bp: int
    val_overlap: float
    val_same_tss: str
    similar_gene_id: str
    similar: float


class Audited(NamedTuple):
    """A row of Compared, and what the backbone has seen of the gene.

    `trained_on_tss` is YES, NO, UNKNOWN or NONE; the other two are those of training_regions.Seen, empty and NaN where
    it is UNKNOWN or NONE.
    """

    gene_id: str
    train_gene_id: str
    train_overlap_bp: int
    train_overlap: float
    train_same_tss: str
    val_gene_id: str
    val_overlap_bp: int
    val_overlap: float
    val_same_tss: str
    similar_gene_id: str
    similar: float
    trained_on_tss: str
    trained_on_fold: str
    trained_on_share: float


def write(path: str | Path, rows: Iterable[_Row], kind: type[_Row]) -> None:
    """Write a table of rows of a kind, whole or not at all."""
    tables.write_table(path, kind._fields, rows)


def read(path: str | Path, kind: type[_Row]) -> list[_Row]:
    """Read what `write` wrote. Raises InputError naming the row that cannot be understood."""
    return tables.read_rows(path, kind, lambda row: "")
