"""Effects of variants by a figure's runs, and true ones if there are any, in; the table of the figure out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.figures import figure, variant_tables

    given, made, params = call.input, call.output, call.params
    runs = variant_tables.read_runs(params.figure, params.runs, given.effects, given.truth, given.agreements)
    kind = figure.build(params.kind, params.figure, params.settings)
    kind.write(made.table, kind.tabulate(runs))
