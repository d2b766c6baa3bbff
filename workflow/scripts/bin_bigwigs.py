"""One group's bigWigs and the genes in; a feature shard of the measured tracks out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from importlib.metadata import version

    from chrom2expr.files.whole import read_json
    from chrom2expr.genome.genes import read_genes_in
    from chrom2expr.genome.windows import Geometry
    from chrom2expr.tracks import bigwig
    from chrom2expr.tracks.track_tables import read_manifest

    given, made, params = call.input, call.output, call.params
    genome = read_json(given.info)
    genes = read_genes_in(given.tss, params.assembly, genome["contigs"], read_json(given.lifted))
    bigwig.bin_group(
        read_manifest(given.manifest),
        genes,
        Geometry.from_config(params.geometry),
        genome["contigs"],
        params.assembly,
        made[0],
        {
            "source": params.source,
            "genome_sha256": genome["sha256"],
            "software": f"pyBigWig {version('pyBigWig')}",
        },
    )
