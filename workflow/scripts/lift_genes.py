"""Gene table and chain in; the TSS positions of the genes to work with, and the dropped genes, out."""


from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.genome import genes

    source, params = call.input, call.params
    kept, dropped = genes.build_genes(
        genes.read_annotation(source.annotation),
        genes.read_chain(source.chain),
        source.annotation,
        exclude_types=params.exclude_types,
        exclude_chromosomes=params.exclude_chromosomes,
        contigs=params.contigs,
    )
    genes.write_table(call.output.dropped, dropped)
    genes.write_table(call.output.tss, kept)
