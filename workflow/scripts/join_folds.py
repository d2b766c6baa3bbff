"""The predictions of a run's folds in; those of all their test genes, and which folds they are of, out."""

from pathlib import Path

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.evaluation import predictions
    from chrom2expr.files.whole import write_json

    given, made, params = call.input, call.output, call.params
    parts = {path: predictions.read_predictions(path) for path in given.predictions}
    # What a run of the same name left that had one model, before its split had folds.
    for name in ("model.pt", "grid.tsv"):
        Path(made.summary).with_name(name).unlink(missing_ok=True)
    write_json(made.summary, {"folds": params.runs}, indent=1)
    predictions.write_predictions(made.predictions, predictions.join(parts))
