"""Attention of a figure's models in; the table of the figure out."""

from chrom2expr.door import job

with job(snakemake):  # noqa: F821
    import json

    from chrom2expr import attention

    files, params = snakemake.input.attention, snakemake.params  # noqa: F821
    models = json.loads(params.models)
    if params.figure == "fig3_6":
        points = attention.map_points(params.figure, models, files)
    else:
        points = attention.distal_points(params.figure, models, files, params.distal_bins, params.thresholds)
    attention.write_points(snakemake.output[0], points)  # noqa: F821
