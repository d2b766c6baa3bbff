"""Expression in; the table of its coefficients of variation out."""

from chrom2expr.door import job

with job(snakemake) as call:
    from chrom2expr import evaluation, variation

    given = call.input
    thesis = evaluation.read_thesis_values(given.thesis) if call.params.compare_with_thesis else {}
    variation.tabulate(given.expression, call.output[0], thesis)
