"""A figure's table in; the figure out, as PDF and PNG."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.figures import figure, plots

    given, made, params = call.input, call.output, call.params
    kind = figure.build(params.kind, params.figure, params.settings)
    plots.draw(kind, given.table, made.pdf, made.png)
