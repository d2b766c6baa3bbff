"""Predict the tracks of one shard of genes with a backbone: sequence codes in, a feature shard out."""

import importlib

from chrom2expr.door import job

with job(snakemake) as call:
    import torch

    from chrom2expr import files, inference
    from chrom2expr.device import choose_device
    from chrom2expr.tracks import read_tracks
    from chrom2expr.windows import Geometry

    torch.set_num_threads(call.threads)
    params = call.params
    geometry = Geometry.from_config(params.geometry)
    tracks = read_tracks(call.input.tracks)
    device = choose_device(call.resources.allow_cpu)
    weights, weights_sha256 = files.weights(call.input.weights)
    room = importlib.import_module(f"chrom2expr.{params.room}")
    backbone = room.load(weights, geometry, len(tracks), params.settings, device)
    inference.predict_shard(
        backbone,
        call.input.codes,
        call.output[0],
        tracks=tracks,
        geometry=geometry,
        batch_size=call.resources.batch_size,
        reverse_complement=params.reverse_complement,
        central_bins=params.central_bins,
        provenance=inference.provenance(params.source, weights_sha256, backbone.software, device),
        device=device,
    )
