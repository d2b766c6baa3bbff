"""The fitted models of a figure's runs in; the table of the figure out."""

from chrom2expr.job import job

with job(snakemake) as call:

    from chrom2expr import registry
    from chrom2expr.figures import figure

    params = call.params
    fitted = [
        figure.FittedRun(run["run"], registry.find("heads", run["type"]).load().load(path))
        for run, path in zip(params.runs, call.input.models, strict=True)
    ]
    kind = figure.build(params.kind, params.figure, params.settings)
    kind.write(call.output.table, kind.tabulate(fitted))
