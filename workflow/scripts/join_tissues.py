"""What the jobs of a run left, each of some tissues, in; the run's files out, as one job would have left them."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr import registry
    from chrom2expr.heads import run_files

    given, made, params = call.input, call.output, call.params
    registry.find("heads", params.type).load().join(given.models, made.model)
    run_files.join_grids(given.grids, made.grid)
    run_files.join_predictions(given.predictions, made.predictions)
    run_files.join_summaries(given.summaries, made.predictions, made.summary)
