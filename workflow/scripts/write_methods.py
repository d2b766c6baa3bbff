"""The config and the environments' versions in; the methods text of a report's figures out, as a page."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.reporting import methods, software

    packages = software.packages(call.input.environments)
    versions = {name: software.package_version(name, packages) for name in ("snakemake", "torch")}
    methods.write(call.output[0], call.params.config, call.params.shown, versions)
