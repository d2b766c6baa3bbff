"""Track tables, expression and the runs' settings in; the table of the overview's boxes out."""

from chrom2expr.door import job

with job(snakemake.log[0]):  # noqa: F821
    import json

    import h5py

    from chrom2expr import diagrams
    from chrom2expr.tracks import read_tracks
    from chrom2expr.windows import Geometry

    given, params = snakemake.input, snakemake.params  # noqa: F821
    backbones = json.loads(params.backbones)
    counts = []
    for backbone, path in zip(backbones, given.tracks, strict=True):
        geometry = Geometry.from_config(backbone["geometry"])
        backbone |= {name: getattr(geometry, name) for name in ("sequence_length", "bins", "bin_size")}
        tracks = read_tracks(path)
        counts.append(len(tracks) if backbone["tracks"] == "all" else int((tracks["track_type"] == "chromatin").sum()))
    with h5py.File(given.expression) as file:
        tissues = len(file["tissue"])
    parts = diagrams.overview(params.figure, backbones, json.loads(params.heads), counts, tissues)
    diagrams.write_parts(snakemake.output[0], parts)  # noqa: F821
