"""Download one resource."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.files import download

    made, source = call.output, call.params.source
    download.resource(source["url"], made[0], source["member"], source["sha256"], unpack=source["unpack"])
