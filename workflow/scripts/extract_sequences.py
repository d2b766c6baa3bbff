"""The genes' TSS positions and an indexed genome in; the encoded sequences of one shard of genes out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.files.whole import read_json
    from chrom2expr.genome import sequences
    from chrom2expr.genome.genes import read_genes_in
    from chrom2expr.genome.windows import Geometry

    given, made, params = call.input, call.output, call.params
    genome = read_json(given.info)
    genes = read_genes_in(given.tss, params.assembly, genome["contigs"], read_json(given.lifted))
    sequences.write_sequences(
        made[0],
        sequences.shard_of(genes, params.shard, params.shards),
        sequences.Genome(given.fasta, genome["fai_sha256"]),
        params.assembly,
        Geometry.from_config(params.geometry),
        genome["sha256"],
    )
