"""Predict the tracks of one shard of genes with a backbone: encoded sequences in, a feature shard out."""

from chrom2expr.job import job

with job(snakemake) as call:
    import torch

    from chrom2expr import registry
    from chrom2expr.backbones import inference, predicting
    from chrom2expr.backbones.device import choose_device, memory_advice
    from chrom2expr.files import whole
    from chrom2expr.genome.windows import Geometry
    from chrom2expr.tracks.track_tables import read_tracks

    given, made, params = call.input, call.output, call.params
    torch.set_num_threads(call.threads)
    geometry = Geometry.from_config(params.geometry)
    tracks = read_tracks(given.tracks)
    device = choose_device(call.resources.allow_cpu)
    weights, weights_sha256 = whole.weights(given.weights)
    network = registry.find("backbones", params.type).load()
    described = inference.described(
        params.type, params.settings, geometry, params.reverse_complement, params.precision, tracks=len(tracks)
    )
    backbone = network.load(weights, geometry, params.settings, len(tracks))
    backbone = inference.ready(backbone, params.precision, device)
    provenance = inference.provenance(
        params.source, given.weights, weights_sha256, described, backbone.software, device
    )
    with memory_advice("backbones: NAME: batch_size"):
        predicting.predict_shard(
            backbone,
            given.encoded,
            made[0],
            tracks=tracks,
            geometry=geometry,
            batch_size=call.resources.batch_size,
            reverse_complement=params.reverse_complement,
            central_bins=params.central_bins,
            provenance=provenance,
            device=device,
        )
