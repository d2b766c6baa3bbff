"""The parts of a run, each of some tissues, in; the run's files out, as one job would have left them."""

from chrom2expr.door import job

with job(snakemake) as call:
    import importlib

    from chrom2expr import parts

    given, made = call.input, call.output
    room = importlib.import_module(f"chrom2expr.{call.params.room}")
    room.join(given.models, made.model)
    parts.join_grids(given.grids, made.grid)
    parts.join_predictions(given.predictions, made.predictions)
    parts.join_summaries(given.summaries, made.predictions, made.summary)
