"""A track table in; one group's bigWigs, found or downloaded, and a manifest of them out."""

import json

from chrom2expr.door import job

with job(snakemake):
    from chrom2expr.collect import collect_bigwigs
    from chrom2expr.tracks import read_tracks

    settings = snakemake.params
    collect_bigwigs(
        read_tracks(snakemake.input.tracks),
        json.loads(settings.templates),
        settings.missing,
        settings.group,
        settings.groups,
        snakemake.output.folder,
        snakemake.output.manifest,
    )
