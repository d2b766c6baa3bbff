"""Gene table, and chains or the genome's contigs, in; the genes to work with, the dropped, the chains' contigs out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.files.whole import read_json, write_json
    from chrom2expr.genome import annotation, genes, liftover

    given, made, params = call.input, call.output, call.params
    chains = [
        liftover.read_chain(path, params.assembly, other)
        for path, other in zip(given.chains, params.lift_to, strict=True)
    ]
    contigs = chains[0].source if chains else read_json(given.info)["contigs"]
    kept, dropped = liftover.build_genes(
        annotation.read(given.annotation, params.tss, params.columns, contigs),
        given.annotation,
        params.assembly,
        chains,
        contigs,
        only_types=params.only_types,
        exclude_types=params.exclude_types,
        exclude_chromosomes=params.exclude_chromosomes,
        contigs=params.contigs,
    )
    write_json(made.contigs, liftover.contigs(chains))
    genes.write_table(made.dropped, dropped)
    genes.write_table(made.tss, kept)
