"""The scores of a figure's runs in; the table of its bars out."""

from chrom2expr.door import job

with job(snakemake.log[0]):  # noqa: F821
    import json

    from chrom2expr import evaluation

    given, params = snakemake.input, snakemake.params  # noqa: F821
    thesis = evaluation.read_thesis_values(given.thesis) if params.compare_with_thesis else {}
    bars = evaluation.figure_table(
        params.figure, json.loads(params.runs), given.cross_gene, given.cross_celltype, thesis
    )
    evaluation.write_figure_table(snakemake.output[0], bars)  # noqa: F821
