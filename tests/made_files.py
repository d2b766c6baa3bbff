"""Files of the workflow, written by hand for tests of what reads them."""

import numpy as np

from checked_files import write_checked
from chrom2expr.files import tables
from chrom2expr.genome import splits, targets


def write_split(path, gene_id, split):
    """A split: train, val or test for every gene."""
    tables.write_table(path, splits.COLUMNS, zip(gene_id, split, strict=True))
    return path


def write_expression(path, log_expression, gene_id, tissue=None, pseudocount=1e-4):
    """An expression.h5."""
    tissue = [f"t{column}" for column in range(log_expression.shape[1])] if tissue is None else tissue
    attributes = {"pseudocount": pseudocount, "unit": "RPKM"}
    return write_checked(
        path,
        targets.FORMAT,
        attributes,
        [],
        log_expression=log_expression.astype(np.float32),
        gene_id=gene_id,
        tissue=tissue,
    )
