"""A run's predictions in; its scores by tissue, by gene and by resample out."""

from chrom2expr.door import job

with job(snakemake):  # noqa: F821
    from chrom2expr import evaluation

    made, params = snakemake.output, snakemake.params  # noqa: F821
    evaluation.evaluate(
        evaluation.read_test_predictions(snakemake.input.predictions),  # noqa: F821
        evaluation.ScoreFiles(made.cross_gene, made.cross_celltype, made.bootstrap),
        resamples=params.resamples,
        seed=params.seed,
    )
