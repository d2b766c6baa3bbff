"""A split of the genes and their expression in; the scores of predicting every gene the training genes' mean expression out."""

from chrom2expr.door import job

with job(snakemake) as call:
    from chrom2expr import baseline, evaluation

    given, made, params = call.input, call.output, call.params
    evaluation.evaluate(
        baseline.training_means(given.genes, given.expression),
        evaluation.ScoreFiles(made.cross_gene, made.cross_celltype, made.bootstrap),
        resamples=params.resamples,
        seed=params.seed,
    )
