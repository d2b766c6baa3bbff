"""Gene table and expression matrix in; the targets of the genes to work with out."""


from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.genome import expression, genes

    source, params = call.input, call.params
    annotation = genes.read_annotation(source.annotation)
    expression.write_targets(
        call.output[0],
        expression.read_matrix(source.expression, annotation, source.annotation, params.ids),
        annotation,
        genes.read_genes(source.tss),
        source.expression,
        pseudocount=params.pseudocount,
        missing=params.missing,
    )
