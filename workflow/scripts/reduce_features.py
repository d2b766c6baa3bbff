"""A feature store in; a few features of each track of every gene out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.genome.windows import Geometry
    from chrom2expr.tracks import reduction

    given, made, params = call.input, call.output, call.params
    reduction.reduce_store(
        given.features,
        made[0],
        params.reduction,
        Geometry.from_config(params.geometry),
        params.bins or None,
        params.tracks,
    )
