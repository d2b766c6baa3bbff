"""The audits of sources and the predictions of runs in; how many genes leak, and the scores without them, out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.evaluation import metric, scores, without_leaks
    from chrom2expr.genome import audits

    given, made, params = call.input, call.output, call.params
    metrics = metric.build(params.metrics)
    rows, leaks = [], {}
    for source, file in zip(params.sources, given.audits, strict=True):
        genes = audits.read(file, audits.Audited)
        rows.append(without_leaks.summarise(source, genes, params.shared))
        leaks[source["source"]] = without_leaks.leaking(genes, params.shared)
    rescored = []
    for run, file in zip(params.runs, given.predictions, strict=True):
        test = scores.read_test_predictions(file)
        rescored += without_leaks.rescore(run, test, metrics, leaks[run["source"]])
    without_leaks.write(made.table, rows, without_leaks.Summary)
    without_leaks.write(made.scores, rescored, without_leaks.Rescored)
    without_leaks.say(rows, made.table)
