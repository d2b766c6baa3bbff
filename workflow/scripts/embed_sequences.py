"""Embed the windows of one shard of genes with a backbone: encoded sequences in, a feature shard out."""

from chrom2expr.job import job

with job(snakemake) as call:
    import torch

    from chrom2expr import registry
    from chrom2expr.backbones import embedding, inference
    from chrom2expr.backbones.device import choose_device, memory_advice
    from chrom2expr.files import whole
    from chrom2expr.genome.windows import Geometry

    given, made, params = call.input, call.output, call.params
    torch.set_num_threads(call.threads)
    geometry = Geometry.from_config(params.geometry)
    device = choose_device(call.resources.allow_cpu)
    weights, weights_sha256 = whole.weights(given.weights)
    network = registry.find("backbones", params.type).load()
    described = inference.described(
        params.type, params.settings, geometry, params.reverse_complement, params.precision, bins=params.bins
    )
    backbone = inference.ready(network.load(weights, geometry, params.settings), params.precision, device)
    provenance = inference.provenance(
        params.source, given.weights, weights_sha256, described, backbone.software, device
    )
    with memory_advice("backbones: NAME: batch_size"):
        embedding.embed_shard(
            backbone,
            given.encoded,
            made[0],
            geometry=geometry,
            bins=params.bins,
            batch_size=call.resources.batch_size,
            reverse_complement=params.reverse_complement,
            provenance=provenance,
            device=device,
        )
