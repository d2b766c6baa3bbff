"""A fitted CNN in; the table of its layers out."""

from chrom2expr.door import job

with job(snakemake) as call:
    from chrom2expr import architecture, cnn, diagrams

    (model,) = call.input.model
    head = cnn.MultiTissueCNN.load(model)
    bins, tracks = head.metadata["network"]["shape"]
    layers = architecture.layers(call.params.figure, head.network, tracks, bins)
    diagrams.write_layers(call.output[0], layers)
