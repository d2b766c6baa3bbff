"""Attention of a figure's models in; the table of the figure out."""

from chrom2expr.job import job

with job(snakemake) as call:

    from chrom2expr.figures import attention_tables, figure

    params = call.params
    models = attention_tables.read_models(params.figure, params.models, call.input.attention)
    kind = figure.build(params.kind, params.figure, params.settings)
    kind.write(call.output.table, kind.tabulate(models))
