"""A source's compared windows, and what its backbone was trained on, in; a row for each of its test genes out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.files.whole import read_json
    from chrom2expr.genome import audits, genes, seen
    from chrom2expr.genome.windows import Geometry

    given, made, params = call.input, call.output, call.params
    rows = [row for file in given.compared for row in audits.read(file, audits.Compared)]
    found = None
    if params.trained_on:
        contigs = read_json(given.info)["contigs"]
        tss = genes.read_genes_in(given.tss, params.assembly, contigs, read_json(given.lifted))
        tested = tss.set_index("gene_id", drop=False).loc[[row.gene_id for row in rows]]
        place = seen.places(tested.reset_index(drop=True), params.assembly, Geometry(**params.geometry), contigs)
        found = seen.seen(place, params.trained_on, contigs, given.regions)
    table = seen.audited(rows, found, known=params.trained_on is None)
    seen.warn(params.source, params.backbone, table)
    audits.write(made[0], table, audits.Audited)
