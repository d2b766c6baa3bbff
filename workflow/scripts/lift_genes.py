"""Gene table and chain in; the TSS positions of the genes to work with, and the dropped genes, out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.genome import genes

    given, made, params = call.input, call.output, call.params
    kept, dropped = genes.build_genes(
        genes.read_annotation(given.annotation),
        genes.read_chain(given.chain),
        given.annotation,
        exclude_types=params.exclude_types,
        exclude_chromosomes=params.exclude_chromosomes,
        contigs=params.contigs,
    )
    genes.write_table(made.dropped, dropped)
    genes.write_table(made.tss, kept)
