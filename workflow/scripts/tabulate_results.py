"""The tables of figures, grids of runs and dropped genes in; a page of each out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.reporting import results

    given, made = call.input, call.output
    results.write_scores(made.scores, given.scores, given.pairs)
    results.write_grids(made.grids, call.params.runs, given.grids)
    results.write_dropped(made.dropped, given.dropped)
