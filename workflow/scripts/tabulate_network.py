"""A fitted CNN in; the table of its layers out."""

from chrom2expr.door import job

with job(snakemake):  # noqa: F821
    from chrom2expr import architecture, cnn, diagrams

    (model,) = snakemake.input.model  # noqa: F821
    network, metadata = cnn.load(model)
    shape = metadata["network"]
    layers = architecture.layers(snakemake.params.figure, network, shape["tracks"], shape["bins"])  # noqa: F821
    diagrams.write_layers(snakemake.output[0], layers)  # noqa: F821
