"""The scores of a figure's runs in; the figure's table and the table of its pairs of runs out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.evaluation import metric, scores
    from chrom2expr.figures import figure, score_tables

    given, made, params = call.input, call.output, call.params
    metrics = metric.build(params.metrics)
    tables = iter(given.scores)
    files = [scores.ScoreFiles({name: next(tables) for name in metrics}, own) for own in given.bootstrap]
    thesis = scores.read_thesis_values(given.thesis) if params.compare_with_thesis else {}
    scored = score_tables.Scored(score_tables.read_runs(params.runs, files, metrics), metrics, thesis)
    kind = figure.build(params.kind, params.figure, params.settings)
    kind.write(made.table, kind.tabulate(scored))
    score_tables.write_pairs(made.pairs, score_tables.pairs(params.figure, scored))
