"""A FASTA in; a link to it, its index and a JSON of its checksum and contig lengths out."""

from chrom2expr.door import job

with job(snakemake) as call:
    from chrom2expr.sequences import index_genome

    index_genome(call.input.fasta, call.output.fasta, call.output.info)
