"""A FASTA in; a link to it, its index and a JSON of its checksum and contig lengths out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from pathlib import Path

    from chrom2expr.genome.sequences import index_genome

    given, made = call.input, call.output
    size = Path(given.fasta).stat().st_size
    print(f"{given.fasta}: {size / 1e6:,.0f} MB to index, and then to read once more for its checksum")
    index_genome(given.fasta, made.fasta, made.info)
