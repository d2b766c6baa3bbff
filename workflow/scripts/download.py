"""Download one resource."""

import json

from chrom2expr import download
from chrom2expr.door import job

with job(snakemake):
    source = json.loads(snakemake.params.source)
    download.resource(
        source["url"], snakemake.output[0], source["member"], source["sha256"], unpack=source["unpack"]
    )
