"""The scores of a figure's runs, and what leaks, in; the figure's table and the table of its pairs of runs out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.evaluation import metric, scores, without_leaks
    from chrom2expr.figures import figure, score_tables
    from chrom2expr.job import tell

    given, made, params = call.input, call.output, call.params
    metrics = metric.build(params.metrics)
    tables = iter(given.scores)
    files = [scores.ScoreFiles({name: next(tables) for name in metrics}, own) for own in given.bootstrap]
    thesis = scores.read_thesis_values(given.thesis) if params.compare_with_thesis else {}
    sources = without_leaks.read_sources(params.sources, given.audits, params.shared)
    fitted = [run for run in params.runs if "source" in run]
    rescored = without_leaks.read_rescored(fitted, given.predictions, metrics, sources)
    leakage = score_tables.leakage_columns(sources, rescored)
    scored = score_tables.Scored(score_tables.read_runs(params.runs, files, metrics), metrics, thesis, leakage)
    kind = figure.build(params.kind, params.figure, params.settings)
    kind.write(made.table, kind.tabulate(scored))
    score_tables.write_pairs(made.pairs, score_tables.pairs(params.figure, scored))
    tell(without_leaks.said(params.figure, sources))
