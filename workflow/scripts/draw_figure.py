"""A figure's table in; the figure out, as PDF and PNG."""

from chrom2expr.door import job

with job(snakemake):  # noqa: F821
    from chrom2expr import plots

    plots.draw(
        snakemake.params.figure,  # noqa: F821
        snakemake.input.table,  # noqa: F821
        snakemake.output.pdf,  # noqa: F821
        snakemake.output.png,  # noqa: F821
    )
