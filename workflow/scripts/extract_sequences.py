"""Genes and an indexed genome in; the sequence codes of one shard of genes out."""

import json
from pathlib import Path

from chrom2expr.door import job

with job(snakemake.log[0]):
    from chrom2expr import sequences
    from chrom2expr.genes import check_chain, read_chain, read_genes
    from chrom2expr.windows import Geometry

    source, settings = snakemake.input, snakemake.params
    info = {
        assembly: json.loads(Path(path).read_text())
        for assembly, path in (("grch37", source.info_grch37), ("grch38", source.info_grch38))
    }
    check_chain(read_chain(source.chain), info["grch37"]["contigs"], info["grch38"]["contigs"])
    genes = read_genes(source.genes)
    genome = sequences.Genome(source.fasta)
    sequences.check_genes(genes, genome, settings.assembly, source.genes)
    sequences.write_codes(
        snakemake.output[0],
        sequences.shard_of(genes, settings.shard, settings.shards),
        genome,
        settings.assembly,
        Geometry.from_config(json.loads(settings.geometry)),
        info[settings.assembly]["sha256"],
    )
