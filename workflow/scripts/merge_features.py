"""Shards of features in; one virtual feature store that refers to them out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.tracks import store_reader

    given, made = call.input, call.output
    store_reader.merge(given.shards, made[0])
