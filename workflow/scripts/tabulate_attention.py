"""Attention of a figure's models in; the table of the figure out."""

from chrom2expr.door import job

with job(snakemake) as call:

    from chrom2expr import attention

    files, params = call.input.attention, call.params
    models = params.models
    if params.figure == "fig3_6":
        points = attention.map_points(params.figure, models, files)
    else:
        points = attention.distal_points(params.figure, models, files, params.distal_bins, params.thresholds)
    attention.write_points(call.output[0], points)
