"""A FASTA in; a link to it, its index and a JSON of its checksum and contig lengths out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.genome.sequences import index_genome

    given, made = call.input, call.output
    index_genome(given.fasta, made.fasta, made.info)
