"""Fit one head to one source with one loss; write the model, the grid, and the validation and test predictions."""

from chrom2expr.door import job

with job(snakemake) as call:
    import importlib

    import torch

    from chrom2expr import heads
    from chrom2expr.device import choose_device

    given, params, made = call.input, call.params, call.output
    torch.set_num_threads(call.threads)
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
    device = choose_device(call.resources.allow_cpu)
    task = heads.Task.of(heads.of_tissues(data, params.part, params.parts), params, device)
    heads.write_run(task, room.fit(task), made.model, made.grid, made.predictions, made.summary)
