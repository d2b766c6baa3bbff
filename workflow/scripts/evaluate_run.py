"""A run's predictions in; its scores by tissue, by gene and by resample out."""

from chrom2expr.door import job

with job(snakemake) as call:
    from chrom2expr import evaluation

    made, params = call.output, call.params
    evaluation.evaluate(
        evaluation.read_test_predictions(call.input.predictions),
        evaluation.ScoreFiles(made.cross_gene, made.cross_celltype, made.bootstrap),
        resamples=params.resamples,
        seed=params.seed,
    )
