"""The scores of a figure's runs in; the figure's table and the table of its pairs of runs out."""

from chrom2expr.door import job

with job(snakemake) as call:

    from chrom2expr import evaluation, figure, metric

    given, made, params = call.input, call.output, call.params
    metrics = metric.build(params.metrics)
    tables = iter(given.scores)
    files = [evaluation.ScoreFiles({name: next(tables) for name in metrics}, own) for own in given.bootstrap]
    thesis = evaluation.read_thesis_values(given.thesis) if params.compare_with_thesis else {}
    scored = evaluation.Scored(evaluation.read_runs(params.runs, files, metrics), metrics, thesis)
    kind = figure.build(params.kind, params.figure, params.settings)
    kind.write(made.table, kind.tabulate(scored))
    evaluation.write_pairs(made.pairs, evaluation.pairs(params.figure, scored))
