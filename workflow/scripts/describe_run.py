"""The config, the one below it and what jobs left in; pages of the config, the provenance and the usage out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.config import overlays
    from chrom2expr.planning import jobs
    from chrom2expr.reporting import masking, provenance, settings, usage

    given, made, params = call.input, call.output, call.params
    targets = [*given.figures, *given.pages, *given.others]
    planned = jobs.planned(params.snakefile, params.configs, params.overlaid, targets, cores=1)
    settings.write(made.config, params.config, params.given, masking.masked(overlays.read([given.base])))
    provenance.write(made.provenance, params.config, planned, given.environments)
    usage.write(made.usage, planned)
