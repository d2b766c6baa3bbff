"""A figure's table in; the figure out, as PDF and PNG."""

from chrom2expr.door import job

with job(snakemake) as call:
    from chrom2expr import plots

    plots.draw(
        call.params.figure,
        call.input.table,
        call.output.pdf,
        call.output.png,
    )
