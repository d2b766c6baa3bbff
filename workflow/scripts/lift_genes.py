"""Gene table and chain in; the places of the genes to work with, and the dropped genes, out."""

import json

from chrom2expr.door import job

with job(snakemake):
    from chrom2expr import genes

    source, params = snakemake.input, snakemake.params
    kept, dropped = genes.build_genes(
        genes.read_annotation(source.annotation),
        genes.read_chain(source.chain),
        source.annotation,
        exclude_types=json.loads(params.exclude_types),
        exclude_chromosomes=json.loads(params.exclude_chromosomes),
        contigs=params.contigs,
    )
    genes.write_table(snakemake.output.dropped, dropped)
    genes.write_table(snakemake.output.places, kept)
