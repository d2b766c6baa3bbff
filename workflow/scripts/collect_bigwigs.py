"""A track table, if there is one, in; one group's bigWigs, found or downloaded, and a manifest of them out."""

from chrom2expr.job import job

with job(snakemake) as call:
    import json
    from pathlib import Path

    from chrom2expr.tracks.collect import collect_bigwigs, found_tracks
    from chrom2expr.tracks.track_tables import read_tracks

    given, made, params = call.input, call.output, call.params
    resources = Path(made.manifest).parents[2]  # <resources>/bigwigs/{source}/{shard}.tsv
    collect_bigwigs(
        read_tracks(given.tracks) if given.tracks else found_tracks(params.templates, resources),
        params.templates,
        params.missing,
        params.group,
        params.groups,
        made.folder,
        made.manifest,
        resources,
        params.source,
        json.loads(call.resources.mirror),
    )
