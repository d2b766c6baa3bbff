"""A run's predictions in; its scores by every metric, and those of resamples, out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.evaluation import metric, scores

    given, made, params = call.input, call.output, call.params
    metrics = metric.build(params.metrics)
    scores.evaluate(
        scores.read_test_predictions(given.predictions),
        metrics,
        scores.ScoreFiles(dict(zip(metrics, made.scores, strict=True)), made.bootstrap),
        resamples=params.resamples,
        seed=params.seed,
    )
