"""The TSSs of the genes, those dropped, and a split's section of the config in; the split, and shared TSSs, out.

Where it compares the genes' windows, the genome comes in too.
"""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.files.tables import read_table
    from chrom2expr.files.whole import read_json
    from chrom2expr.genome import families, genes, shared_tss, splits
    from chrom2expr.genome.sequences import Genome

    given, made, params = call.input, call.output, call.params
    dropped = {row["gene_id"] for _, row in read_table(given.dropped, ["gene_id"])}
    section = {"file": given.file} if "file" in params.section else params.section
    tss = genes.read_genes(given.tss)
    groups = kmers = None
    if asked := section.get("families"):
        if asked["shared"]:
            genome, assembly = read_json(given.info), genes.located_in(tss)[0]
            placed = genes.read_genes_in(given.tss, assembly, genome["contigs"], read_json(given.lifted))
            kmers = families.read_windows(placed, Genome(given.fasta, genome["fai_sha256"]), assembly, asked["window"])
        table = given.families if "table" in asked else None
        groups = families.groups(tss["gene_id"], table, kmers, asked["shared"], dropped)
    table = splits.split_genes(tss, given.tss, params.name, section, params.seed, dropped, groups)
    shared = shared_tss.pairs(tss, table)
    shared_tss.say(params.name, shared, made.shared)
    shared_tss.write(made.shared, shared)
    splits.write_split(made[0], table)
