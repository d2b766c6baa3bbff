"""A feature store in; a row of numbers a gene out: sums over its bins, or means of those at the TSS."""

from chrom2expr.door import job

with job(snakemake) as call:

    from chrom2expr import spatial
    from chrom2expr.windows import Geometry

    given, params = call.input, call.params
    geometry = Geometry.from_config(params.geometry)
    reduction = {"spatial_basis": spatial.reduce, "central_means": spatial.average}[params.reduction]
    reduction(given.features, call.output[0], geometry, params.bins or None, params.tracks)
