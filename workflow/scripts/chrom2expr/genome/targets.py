"""The targets, expression.h5: what heads learn to predict, and every run is scored by."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from chrom2expr.errors import InputError
from chrom2expr.files.hdf5 import CheckedFile, create_file
from chrom2expr.files.whole import Format
from chrom2expr.genome.splits import read_split

FORMAT = Format("chrom2expr expression", 2)
_DATASETS = ("log_expression", "gene_id", "tissue")


class Targets(NamedTuple):
    """What expression.h5 holds: ln(expression + pseudocount) (gene, tissue) float32, NaN = missing, and its names.

    `pseudocount` is one number, or one a tissue (tissue,), in the `unit` of the expression (RPKM, TPM, CPM); it is 0
    where a matrix held logarithms, whose unit is not known.
    """

    log_expression: np.ndarray
    gene_id: np.ndarray
    tissue: np.ndarray
    pseudocount: float | np.ndarray
    unit: str


def write(path: str | Path, targets: Targets) -> None:
    """Write expression.h5, whole or not at all."""
    with create_file(path, FORMAT, {"pseudocount": targets.pseudocount, "unit": targets.unit}) as file:
        for name in _DATASETS:
            file.write(name, getattr(targets, name))


def read_targets(path: str | Path) -> Targets:
    """Read what `write` wrote. Raises InputError if the file is damaged."""
    with CheckedFile(path, FORMAT) as file:
        return Targets(*map(file.read, _DATASETS), file.attributes["pseudocount"], file.attributes["unit"])


def read_split_targets(path: str | Path, split_path: str | Path) -> tuple[Targets, np.ndarray]:
    """The targets of the genes of a split file, and the split of each (gene,): train, val or test.

    Raises InputError if one of the files is damaged, and unless all these genes have targets, in the same order.
    """
    gene_id, split = read_split(split_path)
    targets = read_targets(path)
    rows = pd.Index(targets.gene_id).get_indexer(gene_id)
    if (rows < 0).any() or (np.diff(rows) < 0).any():
        raise InputError(
            f"the genes of {split_path} are not among those of {path} in the same order: make both again from the same "
            "table"
        )
    return targets._replace(log_expression=targets.log_expression[rows], gene_id=targets.gene_id[rows]), split
