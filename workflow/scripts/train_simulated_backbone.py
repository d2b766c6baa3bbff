"""Train a small backbone on the measured tracks of its simulated genes, and save it as the real one's weights are."""

from chrom2expr.job import job

with job(snakemake) as call:
    from pathlib import Path

    import torch

    from chrom2expr.genome import splits, windows
    from chrom2expr.simulation import backbones, genome

    given, made, params = call.input, call.output, call.params
    torch.set_num_threads(call.threads)
    geometry = windows.Geometry.from_config(params.geometry)
    gene_id, split = splits.read_split(given.split)
    train, held_out = (
        backbones.Examples(given.encoded, geometry.sequence_length, given.features, gene_id[rows].tolist())
        for rows in (split == "train", split != "train")
    )
    backbone = backbones.train(
        params.type,
        train,
        held_out,
        genome.read_motifs(given.motifs),
        geometry,
        params.settings,
        params.seed,
    )
    # One checkpoint, or the files of a folder.
    weights = made.weights
    backbone.save(Path(weights) if isinstance(weights, str) else Path(weights[0]).parent)
