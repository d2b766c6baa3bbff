"""The predictions of a run's folds in; those of all their test genes out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.evaluation import predictions

    given, made = call.input, call.output
    parts = {path: predictions.read_predictions(path) for path in given.predictions}
    predictions.write_predictions(made.predictions, predictions.join(parts))
