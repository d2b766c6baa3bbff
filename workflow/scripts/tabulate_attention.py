"""Attention of a figure's models in; the table of the figure out."""

from chrom2expr.job import job

with job(snakemake) as call:

    from chrom2expr.backbones import attention
    from chrom2expr.figures import figure

    params = call.params
    models = attention.read_models(params.figure, params.models, call.input.attention)
    kind = figure.build(params.kind, params.figure, params.settings)
    kind.write(call.output.table, kind.tabulate(models))
