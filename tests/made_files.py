"""Files of the workflow, written by hand for tests of what reads them."""

import h5py
import numpy as np

from chrom2expr.genes import GENE_COLUMNS


def write_genes(path, gene_id, split, strand="+", strand_grch38=None, backbone="enformer"):
    """A genes.tsv with these splits; a strand is one for all genes, or one a gene."""
    values = dict.fromkeys(GENE_COLUMNS, "chr1") | {"tss_grch37": "1000", "tss_grch38": "1000"}
    lines = ["\t".join([*GENE_COLUMNS, f"split_{backbone}"])]
    strands = [np.broadcast_to(own, len(gene_id)) for own in (list(strand), list(strand_grch38 or strand))]
    for gene, own, first, second in zip(gene_id, split, *strands, strict=True):
        row = values | {"gene_id": gene, "strand": first, "strand_grch38": second}
        lines.append("\t".join([*row.values(), own]))
    path.write_text("\n".join(lines) + "\n")
    return path


def write_expression(path, log_rpkm, gene_id, tissue=None, pseudocount=1e-4):
    """An expression.h5; a part that is None is left out."""
    parts = {
        "log_rpkm": log_rpkm,
        "gene_id": gene_id,
        "tissue": tissue or [f"t{column}" for column in range(log_rpkm.shape[1])],
    }
    with h5py.File(path, "w") as file:
        for name, values in parts.items():
            if values is not None:
                file[name] = values
        if pseudocount is not None:
            file.attrs["pseudocount"] = pseudocount
    return path
