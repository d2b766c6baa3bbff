"""One group's files of records, the genome and the genes in; the records' bins around genes out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.files.whole import read_json
    from chrom2expr.genome.genes import read_genes_in
    from chrom2expr.genome.sequences import Genome
    from chrom2expr.genome.windows import Geometry
    from chrom2expr.tracks.basenji import DataSet
    from chrom2expr.tracks.preprocessed_bins import Windows, unpack_group
    from chrom2expr.tracks.track_tables import read_tracks

    given, made, params = call.input, call.output, call.params
    genome = read_json(given.info)
    genes = read_genes_in(given.tss, params.assembly, genome["contigs"], read_json(given.lifted))
    data = DataSet(given.records, Genome(given.fasta, genome["fai_sha256"]))
    unpack_group(
        data,
        read_tracks(given.tracks) if given.tracks else data.tracks,
        params.missing,
        params.group,
        params.groups,
        Windows.of(genes, params.assembly, Geometry.from_config(params.geometry)),
        made[0],
        {"assembly": params.assembly, "genome_sha256": genome["sha256"]},
    )
