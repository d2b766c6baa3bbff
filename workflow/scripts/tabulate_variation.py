"""Expression in; the table of its coefficients of variation out."""

from chrom2expr.door import job

with job(snakemake):  # noqa: F821
    from chrom2expr import evaluation, variation

    given = snakemake.input  # noqa: F821
    thesis = evaluation.read_thesis_values(given.thesis) if snakemake.params.compare_with_thesis else {}  # noqa: F821
    variation.tabulate(given.expression, snakemake.output[0], thesis)  # noqa: F821
