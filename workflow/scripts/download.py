"""Download one resource."""


from chrom2expr import download
from chrom2expr.door import job

with job(snakemake) as call:
    source = call.params.source
    download.resource(
        source["url"], call.output[0], source["member"], source["sha256"], unpack=source["unpack"]
    )
