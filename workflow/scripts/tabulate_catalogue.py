"""Track tables and overrides of the measured sources in; which bigWig measures each track, as table and page, out."""

from chrom2expr.job import job

with job(snakemake) as call:
    import json

    from chrom2expr.job import tell
    from chrom2expr.tracks import catalogue
    from chrom2expr.tracks.bigwig_places import read_overrides
    from chrom2expr.tracks.track_tables import read_tracks

    given, made, params = call.input, call.output, call.params
    thesis = json.loads(call.resources.thesis)
    tables, own = iter(given.tracks), iter(given.overrides)
    entries = []  # source by source
    for source in params.sources:
        tracks = read_tracks(next(tables))
        overrides = read_overrides(next(own), tracks["track_id"]) if source["overridden"] else {}
        found = catalogue.catalogued(
            source["name"], source["backbone"], source["assembly"], tracks, source["templates"], overrides
        )
        tell(catalogue.counted(found, thesis.get(source["name"])))
        entries.append(found)
    catalogue.write(made.table, made.page, entries)
