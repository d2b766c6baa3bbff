"""A feature store in; each gene's sums over its bins, weighted by ExPecto's spatial basis, out."""

from chrom2expr.door import job

with job(snakemake.log[0]):  # noqa: F821
    import json

    from chrom2expr import spatial
    from chrom2expr.windows import Geometry

    given, params = snakemake.input, snakemake.params  # noqa: F821
    geometry = Geometry.from_config(json.loads(params.geometry))
    spatial.reduce(given.features, snakemake.output[0], geometry, params.bins or None, params.tracks)  # noqa: F821
