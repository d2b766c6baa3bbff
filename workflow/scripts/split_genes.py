"""The places of the genes in; genes.tsv, with their splits, out."""

import json

from chrom2expr.door import job

with job(snakemake):
    from chrom2expr import genes

    places, params = snakemake.input.places, snakemake.params
    table = genes.split_genes(genes.read_genes(places), json.loads(params.held_out), params.seed, places)
    genes.write_table(snakemake.output[0], table)
