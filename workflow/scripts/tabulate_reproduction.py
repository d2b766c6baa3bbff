"""What the thesis states and what our runs left in; which of it they reproduce out, as a table and as a page."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.evaluation import evidence, metric, reproduction, statements

    given, made, params = call.input, call.output, call.params
    stated = statements.read_values(given.thesis)
    stated += statements.read_statements(given.statements, reproduction.NEEDS)
    found = None
    if params.compare_with_thesis:
        metrics = metric.build(params.metrics)
        found = evidence.gather(params.plan, given, metrics, params.resamples, params.seed)
    reproduction.write(made.table, made.page, reproduction.judge(stated, found))
