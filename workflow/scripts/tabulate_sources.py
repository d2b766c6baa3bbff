"""Track tables, measured tracks, expression and what runs are given of them in; the table of the figure out."""

from chrom2expr.job import job

with job(snakemake) as call:
    from pathlib import Path

    from chrom2expr.figures import figure
    from chrom2expr.genome.targets import read_targets
    from chrom2expr.genome.windows import Geometry
    from chrom2expr.tracks.store_reader import FeatureStore
    from chrom2expr.tracks.track_tables import read_tracks

    given, made, params = call.input, call.output, call.params
    stores = {Path(path).stem: path for path in given.features}
    backbones = params.backbones

    def count(kinds, track_types):
        return sum(kind in kinds or "all" in kinds for kind in track_types)

    tables = iter(given.tracks)  # of those that predict
    for backbone in backbones:
        geometry = Geometry.from_config(backbone["geometry"])
        backbone |= {"sequence_length": geometry.sequence_length, "bin_size": geometry.bin_size}
        kinds = backbone["tracks"]
        backbone["predicted"] = count(kinds, read_tracks(next(tables))["track_type"]) if backbone["predicted"] else None
        counts = []
        for source in backbone["measured"]:
            with FeatureStore(stores[source]) as store:
                counts.append(count(kinds, store.track_type))
        backbone["measured"] = counts
    tissues = len(read_targets(given.expression).tissue)
    kind = figure.build(params.kind, params.figure, params.settings)
    kind.write(made.table, kind.tabulate(figure.Sources(backbones, params.heads, tissues)))
