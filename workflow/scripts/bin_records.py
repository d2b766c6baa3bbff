"""What all groups kept of the records, and the genes, in; a feature shard of some genes' measured tracks out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.files.whole import read_json
    from chrom2expr.genome.genes import read_genes_in
    from chrom2expr.genome.windows import Geometry
    from chrom2expr.tracks.preprocessed_bins import bin_shard

    given, made, params = call.input, call.output, call.params
    genome = read_json(given.info)
    bin_shard(
        given.kept,
        read_genes_in(given.tss, params.assembly, genome["contigs"], read_json(given.lifted)),
        params.shard,
        params.shards,
        params.assembly,
        Geometry.from_config(params.geometry),
        genome["sha256"],
        made[0],
        {"source": params.source},
    )
