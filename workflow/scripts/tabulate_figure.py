"""The scores of a figure's runs in; the table of its bars and the table of its pairs of runs out."""

from chrom2expr.door import job

with job(snakemake) as call:

    from chrom2expr import evaluation

    given, made, params = call.input, call.output, call.params
    files = map(evaluation.ScoreFiles, given.cross_gene, given.cross_celltype, given.bootstrap)
    thesis = evaluation.read_thesis_values(given.thesis) if params.compare_with_thesis else {}
    bars, pairs = evaluation.figure_tables(params.figure, params.runs, list(files), thesis)
    evaluation.write_figure_table(made.table, bars)
    evaluation.write_pairs(made.pairs, pairs)
