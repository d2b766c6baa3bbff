"""The places of the genes in; genes.tsv, with their splits, out."""


from chrom2expr.door import job

with job(snakemake) as call:
    from chrom2expr import genes

    places, params = call.input.places, call.params
    table = genes.split_genes(genes.read_genes(places), params.held_out, params.seed, places)
    genes.write_table(call.output[0], table)
