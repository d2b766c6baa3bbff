"""A file of variants and their effects in; the file with these in each of its records, and its index, out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.application import annotated_vcf

    given, made = call.input, call.output
    found = annotated_vcf.annotate(given.vcf, given.table, given.strongest, made.vcf)
    print(f"{found:,} records have effects")
