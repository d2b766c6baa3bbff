"""Shards of features in; one virtual feature store that refers to them out."""

from chrom2expr.door import job

with job(snakemake):
    from chrom2expr import reader

    reader.merge(snakemake.input.shards, snakemake.output[0])
