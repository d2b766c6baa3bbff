"""Fit one head to one source with one loss; write the model, the grid, and the validation and test predictions."""

from chrom2expr.door import job

with job(snakemake) as call:
    import torch

    from chrom2expr import heads, registry, run_files
    from chrom2expr.device import choose_device

    given, params, made = call.input, call.params, call.output
    torch.set_num_threads(call.threads)
    data = heads.read_data(
        given.features,
        given.split,
        given.expression,
        params.tracks,
        params.orientation,
        params.bins or None,
        params.features,
    )
    device = choose_device(call.resources.allow_cpu)
    task = heads.Task.of(heads.of_tissues(data, params.part, params.parts), params, device)
    head = registry.find("heads", params.type).load().fit(task)
    run_files.write_run(task, head, made.model, made.grid, made.predictions, made.summary)
