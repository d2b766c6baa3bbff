"""Download one file of a resource."""

from chrom2expr.job import job

with job(snakemake) as call:
    import json
    from pathlib import Path

    from chrom2expr.files.checksums import Record
    from chrom2expr.files.download import resource

    path, source = call.output[0], call.params.source
    record = Record(Path(path).parents[1])  # <resources>/{resource}/{file}
    urls, checksum = json.loads(call.resources.addresses), call.resources.sha256 or None
    resource(urls, path, source["name"], record, source["url"], source["member"], checksum)
