"""The TSS positions of the genes, those that were dropped, and a split's section of the config in; the split out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.files.tables import read_table
    from chrom2expr.genome import genes, splits

    given, made, params = call.input, call.output, call.params
    dropped = {row["gene_id"] for _, row in read_table(given.dropped, ["gene_id"])}
    section = {"file": given.file} if "file" in params.section else params.section
    table = splits.split_genes(genes.read_genes(given.tss), given.tss, params.name, section, params.seed, dropped)
    splits.write_split(made[0], table)
