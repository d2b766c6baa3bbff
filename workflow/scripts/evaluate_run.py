"""A run's predictions in; its scores by tissue and by gene out."""

from chrom2expr.door import job

with job(snakemake.log[0]):  # noqa: F821
    from chrom2expr import evaluation

    evaluation.evaluate(
        snakemake.input.predictions,  # noqa: F821
        snakemake.output.cross_gene,  # noqa: F821
        snakemake.output.cross_celltype,  # noqa: F821
    )
