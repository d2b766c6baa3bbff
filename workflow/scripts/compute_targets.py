"""Gene table and expression matrix in; the targets of the genes to work with out."""

import json

from chrom2expr.door import job

with job(snakemake):
    from chrom2expr import expression, genes

    source, params = snakemake.input, snakemake.params
    annotation = genes.read_annotation(source.annotation)
    expression.write_targets(
        snakemake.output[0],
        expression.read_matrix(source.expression, annotation, source.annotation, params.ids),
        annotation,
        genes.read_genes(source.places),
        source.expression,
        pseudocount=json.loads(params.pseudocount),
        missing=params.missing,
    )
