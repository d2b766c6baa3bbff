"""Embed the windows of one shard of genes with a backbone: sequence codes in, a feature shard out."""

from chrom2expr.door import job

with job(snakemake):  # noqa: F821
    import importlib
    import json

    import torch

    from chrom2expr import files, inference
    from chrom2expr.device import choose_device
    from chrom2expr.windows import Geometry

    given, params = snakemake.input, snakemake.params  # noqa: F821
    torch.set_num_threads(snakemake.threads)  # noqa: F821
    geometry = Geometry.from_config(json.loads(params.geometry))
    device = choose_device(snakemake.resources.allow_cpu)  # noqa: F821
    weights, weights_sha256 = files.weights(given.weights)
    room = importlib.import_module(f"chrom2expr.{params.room}")
    backbone = room.load_embedder(weights, geometry, json.loads(params.settings), device)
    inference.embed_shard(
        backbone,
        given.codes,
        snakemake.output[0],  # noqa: F821
        geometry=geometry,
        bins=params.bins,
        batch_size=snakemake.resources.batch_size,  # noqa: F821
        reverse_complement=params.reverse_complement,
        provenance=inference.provenance(params.source, weights_sha256, backbone.software, device),
        device=device,
    )
