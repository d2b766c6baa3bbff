"""A track table and overrides, if there are any, in; one group's bigWigs, found or downloaded, and a manifest out."""

from chrom2expr.job import job

with job(snakemake) as call:
    import json
    from pathlib import Path

    from chrom2expr.tracks.bigwig_places import read_overrides
    from chrom2expr.tracks.collect import collect_bigwigs, found_tracks
    from chrom2expr.tracks.track_tables import read_tracks

    given, made, params = call.input, call.output, call.params
    resources = Path(made.manifest).parents[2]  # <resources>/bigwigs/{source}/{shard}.tsv
    tracks = read_tracks(given.tracks) if given.tracks else found_tracks(params.templates, resources)
    overrides = read_overrides(given.overrides, tracks["track_id"]) if given.overrides else {}
    collect_bigwigs(
        tracks,
        params.templates,
        {identifier: row.bigwig for identifier, row in overrides.items()},
        params.missing,
        params.group,
        params.groups,
        made.folder,
        made.manifest,
        resources,
        params.source,
        json.loads(call.resources.mirror),
    )
