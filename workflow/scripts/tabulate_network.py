"""A fitted CNN in; the table of its layers out."""

from chrom2expr.door import job

with job(snakemake) as call:
    from chrom2expr import architecture, cnn, diagrams

    (model,) = call.input.model
    network, metadata = cnn.load(model)
    shape = metadata["network"]
    layers = architecture.layers(call.params.figure, network, shape["tracks"], shape["bins"])
    diagrams.write_layers(call.output[0], layers)
