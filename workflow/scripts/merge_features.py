"""Shards of features in; one virtual feature store that refers to them out."""

from chrom2expr.door import job

with job(snakemake) as call:
    from chrom2expr import reader

    reader.merge(call.input.shards, call.output[0])
