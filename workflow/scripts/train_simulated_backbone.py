"""Door of rule train_simulated_backbone: a small Enformer or Beluga, trained on one backbone's simulated tracks."""

import importlib
from pathlib import Path

from chrom2expr.door import job

with job(snakemake) as call:
    import torch

    from chrom2expr import simulate, simulated_backbones, splits, windows

    source, settings = call.input, call.params
    torch.set_num_threads(call.threads)
    geometry = windows.Geometry.from_config(settings.geometry)
    gene_id, split = splits.read_split(source.genes)
    train, held_out = (
        simulated_backbones.Examples(source.codes, geometry.sequence_length, source.features, gene_id[rows].tolist())
        for rows in (split == "train", split != "train")
    )
    network = simulated_backbones.train(
        settings.room,
        train,
        held_out,
        simulate.read_motifs(source.motifs),
        geometry,
        settings.settings,
        settings.seed,
    )
    # One checkpoint, or the files of a folder.
    weights = call.output.weights
    weights = Path(weights) if isinstance(weights, str) else Path(weights[0]).parent
    importlib.import_module(f"chrom2expr.{settings.room}").save(network, weights)
