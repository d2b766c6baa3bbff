"""A feature store in; a row of numbers a gene out: sums over its bins, or means of those at the TSS."""

from chrom2expr.door import job

with job(snakemake):  # noqa: F821
    import json

    from chrom2expr import spatial
    from chrom2expr.windows import Geometry

    given, params = snakemake.input, snakemake.params  # noqa: F821
    geometry = Geometry.from_config(json.loads(params.geometry))
    reduction = {"spatial_basis": spatial.reduce, "central_means": spatial.average}[params.reduction]
    reduction(given.features, snakemake.output[0], geometry, params.bins or None, params.tracks)  # noqa: F821
