"""Expression in; the table of its coefficients of variation out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.evaluation import scores, variation

    given, made, params = call.input, call.output, call.params
    thesis = scores.read_thesis_values(given.thesis) if params.compare_with_thesis else {}
    variation.tabulate(given.expression, made[0], thesis)
