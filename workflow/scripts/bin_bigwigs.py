"""One group's bigWigs and the genes in; a feature shard of the measured tracks out."""

from importlib.metadata import version

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.files.whole import read_json
    from chrom2expr.genome.genes import check_chain, check_tss, read_chain, read_genes
    from chrom2expr.genome.windows import Geometry
    from chrom2expr.tracks import bigwig
    from chrom2expr.tracks.track_tables import read_manifest

    source, settings = call.input, call.params
    genome = read_json(source.info)
    genes = read_genes(source.tss)
    check_chain(read_chain(source.chain), settings.assembly, genome["contigs"])
    check_tss(genes, genome["contigs"], settings.assembly, source.tss)
    bigwig.bin_group(
        read_manifest(source.manifest),
        genes,
        Geometry.from_config(settings.geometry),
        genome["contigs"],
        settings.assembly,
        call.output[0],
        {
            "source": settings.source,
            "genome_sha256": genome["sha256"],
            "software": f"pyBigWig {version('pyBigWig')}",
        },
    )
