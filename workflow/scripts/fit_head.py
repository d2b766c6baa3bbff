"""Fit one head to one source with one loss; write the model, the grid, and the validation and test predictions."""

from chrom2expr.door import job

with job(snakemake):  # noqa: F821
    import importlib

    import torch

    from chrom2expr import heads
    from chrom2expr.device import choose_device

    given, params, made = snakemake.input, snakemake.params, snakemake.output  # noqa: F821
    torch.set_num_threads(snakemake.threads)  # noqa: F821
    room = importlib.import_module(f"chrom2expr.{params.room}")
    data = heads.read_data(
        given.features,
        given.genes,
        given.expression,
        params.backbone,
        params.tracks,
        params.orientation,
        params.bins or None,
    )
    device = choose_device(snakemake.resources.allow_cpu)  # noqa: F821
    task = heads.Task.of(heads.of_tissues(data, params.part, params.parts), params, device)
    heads.write_run(task, room.fit(task), made.model, made.grid, made.predictions, made.summary)
