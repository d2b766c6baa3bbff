"""The fitted models of a figure's runs in; the table of the figure out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr import registry
    from chrom2expr.figures import figure

    given, made, params = call.input, call.output, call.params
    fitted = [
        figure.FittedRun(run["run"], registry.find("heads", run["type"]).load().load(path))
        for run, path in zip(params.runs, given.models, strict=True)
    ]
    kind = figure.build(params.kind, params.figure, params.settings)
    kind.write(made.table, kind.tabulate(fitted))
