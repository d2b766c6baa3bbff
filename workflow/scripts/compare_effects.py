"""A run's effects of variants and their true effects in; how the two agree out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.evaluation import effect_truth

    given, made, params = call.input, call.output, call.params
    compared = effect_truth.beside_truth(effect_truth.read_truth(given.truth), given.effects)
    effect_truth.write(made[0], effect_truth.agreements(compared, params.resamples, params.seed))
