"""A FASTA in; a link to it, its index and a JSON of its checksum and contig lengths out."""

from chrom2expr.door import job

with job(snakemake):
    from chrom2expr.sequences import index_genome

    index_genome(snakemake.input.fasta, snakemake.output.fasta, snakemake.output.info)
