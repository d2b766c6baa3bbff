"""Download one resource."""


from chrom2expr.files import download
from chrom2expr.job import job

with job(snakemake) as call:
    source = call.params.source
    download.resource(
        source["url"], call.output[0], source["member"], source["sha256"], unpack=source["unpack"]
    )
