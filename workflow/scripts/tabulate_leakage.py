"""The audits of sources and the predictions of runs in; how many genes leak, and the scores without them, out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.evaluation import metric, without_leaks

    given, made, params = call.input, call.output, call.params
    metrics = metric.build(params.metrics)
    sources = without_leaks.read_sources(params.sources, given.audits, params.shared)
    rescored = without_leaks.read_rescored(params.runs, given.predictions, metrics, sources)
    rows = [source.summary for source in sources.values()]
    without_leaks.write(made.table, made.scores, made.page, rows, rescored)
    without_leaks.say(rows, made.table)
