"""A track table in; one group's bigWigs, found or downloaded, and a manifest of them out."""


from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.tracks.collect import collect_bigwigs
    from chrom2expr.tracks.track_tables import read_tracks

    settings = call.params
    collect_bigwigs(
        read_tracks(call.input.tracks),
        settings.templates,
        settings.missing,
        settings.group,
        settings.groups,
        call.output.folder,
        call.output.manifest,
    )
