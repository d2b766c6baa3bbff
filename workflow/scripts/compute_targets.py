"""Gene table and expression matrix in; the targets of the genes to work with out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.genome import annotation, expression, genes

    given, made, params = call.input, call.output, call.params
    known = annotation.read(given.annotation, params.tss, params.columns)
    matrix = expression.read_matrix(
        given.expression,
        known,
        given.annotation,
        params.ids,
        params.unit,
        params.unmatched,
        params.cells,
        params.counts_to,
        params.samples,
    )
    expression.check_tissues(matrix, given.expression, call.resources.comparing_tissues.split())
    expression.write_targets(
        made[0],
        matrix,
        known,
        genes.read_genes(given.tss),
        given.expression,
        pseudocount=params.pseudocount,
        missing=params.missing,
    )
