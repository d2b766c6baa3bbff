"""A run's predictions in; its scores by every metric, and those of resamples, out."""

from chrom2expr.door import job

with job(snakemake) as call:
    from chrom2expr import evaluation, metric

    made, params = call.output, call.params
    metrics = metric.build(params.metrics)
    evaluation.evaluate(
        evaluation.read_test_predictions(call.input.predictions),
        metrics,
        evaluation.ScoreFiles(dict(zip(metrics, made.scores, strict=True)), made.bootstrap),
        resamples=params.resamples,
        seed=params.seed,
    )
