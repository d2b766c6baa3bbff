"""One group's bigWigs and the genes in; a feature shard of the measured tracks out."""

import json
from importlib.metadata import version
from pathlib import Path

from chrom2expr.door import job

with job(snakemake.log[0]):
    from chrom2expr import bigwig
    from chrom2expr.genes import read_genes
    from chrom2expr.tracks import read_manifest
    from chrom2expr.windows import Geometry

    settings = snakemake.params
    genome = json.loads(Path(snakemake.input.info).read_text())
    bigwig.bin_group(
        read_manifest(snakemake.input.manifest),
        read_genes(snakemake.input.genes),
        Geometry.from_config(json.loads(settings.geometry)),
        genome["contigs"],
        settings.assembly,
        snakemake.output[0],
        {
            "source": settings.source,
            "genome_sha256": genome["sha256"],
            "software": f"pyBigWig {version('pyBigWig')}",
        },
    )
