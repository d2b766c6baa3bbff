"""A split or its folds, and expression, in; the scores of predicting every gene the training genes' mean out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.evaluation import baseline, metric, scores

    given, made, params = call.input, call.output, call.params
    metrics = metric.build(params.metrics)
    scores.evaluate(
        baseline.of_splits(given.splits, given.expression),
        metrics,
        scores.ScoreFiles(dict(zip(metrics, made.scores, strict=True)), made.bootstrap),
        resamples=params.resamples,
        seed=params.seed,
    )
