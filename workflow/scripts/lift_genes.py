"""Gene table and chain in; the genes to work with, the dropped ones, and the contigs of both assemblies out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.files.whole import write_json
    from chrom2expr.genome import annotation, genes, liftover

    given, made, params = call.input, call.output, call.params
    chain = liftover.read_chain(given.chain)
    kept, dropped = liftover.build_genes(
        annotation.read(given.annotation, params.tss),
        chain,
        given.annotation,
        exclude_types=params.exclude_types,
        exclude_chromosomes=params.exclude_chromosomes,
        contigs=params.contigs,
    )
    write_json(made.contigs, liftover.contigs(chain))
    genes.write_table(made.dropped, dropped)
    genes.write_table(made.tss, kept)
