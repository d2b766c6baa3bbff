"""A feature store in; a few features of each track of every gene out."""

from chrom2expr.door import job

with job(snakemake) as call:
    from chrom2expr import reduction
    from chrom2expr.windows import Geometry

    params = call.params
    reduction.reduce_store(
        call.input.features,
        call.output[0],
        params.reduction,
        Geometry.from_config(params.geometry),
        params.bins or None,
        params.tracks,
    )
