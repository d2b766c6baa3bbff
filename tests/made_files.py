"""Files of the workflow, written by hand for tests of what reads them."""

import numpy as np
from checked_files import write_checked
from chrom2expr import expression, tables
from chrom2expr.genes import GENE_COLUMNS


def write_genes(path, gene_id, split, strand="+", strand_grch38=None, backbone="enformer"):
    """A genes.tsv with these splits; a strand is one for all genes, or one a gene."""
    values = dict.fromkeys(GENE_COLUMNS, "chr1") | {"tss_grch37": "1000", "tss_grch38": "1000"}
    strands = [np.broadcast_to(own, len(gene_id)) for own in (list(strand), list(strand_grch38 or strand))]
    rows = []
    for gene, own, first, second in zip(gene_id, split, *strands, strict=True):
        row = values | {"gene_id": gene, "strand": first, "strand_grch38": second}
        rows.append([*row.values(), own])
    tables.write_table(path, [*GENE_COLUMNS, f"split_{backbone}"], rows)
    return path


def write_expression(path, log_rpkm, gene_id, tissue=None, pseudocount=1e-4):
    """An expression.h5."""
    tissue = [f"t{column}" for column in range(log_rpkm.shape[1])] if tissue is None else tissue
    attributes = {"pseudocount": pseudocount}
    return write_checked(
        path, expression.FORMAT, attributes, [], log_rpkm=log_rpkm.astype(np.float32), gene_id=gene_id, tissue=tissue
    )
