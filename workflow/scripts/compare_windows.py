"""The TSSs of the genes, a split and a genome in; what each test gene's window has in common with others' out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.files.whole import read_json
    from chrom2expr.genome import audits, compared, genes, splits
    from chrom2expr.genome.sequences import Genome
    from chrom2expr.genome.windows import Geometry

    given, made, params = call.input, call.output, call.params
    info = read_json(given.info)
    genome = Genome(given.fasta, info["fai_sha256"])
    tss = genes.read_genes_in(given.tss, params.assembly, info["contigs"], read_json(given.lifted))
    gene_id, part = splits.read_split(given.split)
    geometry = Geometry(**params.geometry)
    sampled = params.sampled or compared.sampling(geometry.sequence_length)
    rows = compared.compare(tss, dict(zip(gene_id, part)), genome, params.assembly, geometry, sampled)
    audits.write(made[0], rows, audits.Compared)
