"""The TSSs of the genes, those dropped, and a split's section of the config in; the split, and shared TSSs, out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.files.tables import read_table
    from chrom2expr.genome import genes, shared_tss, splits

    given, made, params = call.input, call.output, call.params
    dropped = {row["gene_id"] for _, row in read_table(given.dropped, ["gene_id"])}
    section = {"file": given.file} if "file" in params.section else params.section
    tss = genes.read_genes(given.tss)
    table = splits.split_genes(tss, given.tss, params.name, section, params.seed, dropped)
    shared = shared_tss.pairs(tss, table)
    shared_tss.say(params.name, shared, made.shared)
    shared_tss.write(made.shared, shared)
    splits.write_split(made[0], table)
