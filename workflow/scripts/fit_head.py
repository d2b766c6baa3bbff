"""Fit one head to one source with one loss; write the model, the grid, and the validation and test predictions."""

from chrom2expr.job import job

with job(snakemake) as call:
    import torch

    from chrom2expr import registry
    from chrom2expr.backbones.device import choose_device, memory_advice
    from chrom2expr.heads import run_files, tasks

    given, made, params = call.input, call.output, call.params
    torch.set_num_threads(call.threads)
    data = tasks.read_data(
        given.features,
        given.split,
        given.expression,
        params.tracks,
        params.orientation,
        params.bins or None,
        params.features,
    )
    device = choose_device(call.resources.allow_cpu, call.resources.gpu)
    # A list of fitted models comes before the files that it names.
    models = next(iter(given.models), None)
    task = tasks.Task.of(tasks.of_tissues(data, params.job, params.jobs), params, device, models)
    kind = registry.find("heads", params.type).load()
    with memory_advice(kind.lower):
        head = kind.fit(task)
        run_files.write_run(task, head, made.model, made.grid, made.predictions, made.summary)
