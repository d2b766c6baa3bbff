"""Gene table, expression matrix and chain in; genes.tsv, dropped.tsv and the targets out."""

import json

from chrom2expr.door import job

with job(snakemake.log[0]):
    from chrom2expr import expression, genes

    source, settings = snakemake.input, snakemake.params
    annotation = genes.read_annotation(source.annotation)
    matrix = expression.read_matrix(source.expression, annotation, source.annotation)
    kept, dropped = genes.build_genes(
        annotation,
        genes.read_chain(source.chain),
        source.annotation,
        exclude_types=json.loads(settings.exclude_types),
        exclude_chromosomes=json.loads(settings.exclude_chromosomes),
        contigs=settings.contigs,
        held_out=json.loads(settings.held_out),
        seed=settings.seed,
    )
    expression.write_targets(
        snakemake.output.expression,
        matrix,
        annotation,
        kept,
        source.expression,
        pseudocount=json.loads(settings.pseudocount),
        missing=settings.missing,
    )
    genes.write_table(snakemake.output.dropped, dropped)
    genes.write_table(snakemake.output.genes, kept)
