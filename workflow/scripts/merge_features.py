"""Shards of features in; one virtual feature store that refers to them out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.tracks import store_reader

    store_reader.merge(call.input.shards, call.output[0])
