"""Attention of a figure's models in; the table of the figure out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.figures import attention_tables, figure

    given, made, params = call.input, call.output, call.params
    models = attention_tables.read_models(params.figure, params.models, given.attention)
    kind = figure.build(params.kind, params.figure, params.settings)
    kind.write(made.table, kind.tabulate(models))
