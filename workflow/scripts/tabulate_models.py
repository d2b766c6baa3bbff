"""The fitted models of a figure's runs in; the table of the figure out."""

from chrom2expr.door import job

with job(snakemake) as call:

    from chrom2expr import figure, registry

    params = call.params
    fitted = [
        figure.FittedRun(run["run"], registry.find("heads", run["type"]).load().load(path))
        for run, path in zip(params.runs, call.input.models, strict=True)
    ]
    kind = figure.build(params.kind, params.figure, params.settings)
    kind.write(call.output.table, kind.tabulate(fitted))
