"""Fine-tune a source's backbone with one loss; write the model, the grid, and the validation and test predictions."""

from chrom2expr.door import job

with job(snakemake) as call:
    from pathlib import Path

    import torch

    from chrom2expr import files, finetune, heads, registry, run_files, tuning
    from chrom2expr.device import choose_device
    from chrom2expr.ownership import owned
    from chrom2expr.windows import Geometry

    given, params, made = call.input, call.params, call.output
    torch.set_num_threads(call.threads)
    geometry = Geometry.from_config(params.geometry)
    weights, weights_sha256 = files.weights(given.weights)
    trunk = finetune.Trunk(
        type=params.backbone_type,
        weights=weights,
        geometry=geometry,
        bins=params.bins,
        settings=params.trunk,
        adaptation=params.adaptation,
        weights_sha256=weights_sha256,
    )
    data = finetune.read_data(given.codes, given.split, given.expression, params.source, geometry)
    device = choose_device(call.resources.allow_cpu)
    task = heads.Task.of(data, params, device)
    folder = Path(made.model).parent
    # Not an output: it must outlive a job that is killed.
    checkpoints = folder / "checkpoints"
    resources = call.resources
    # The job of a Snakemake that was killed may live on, beside that of the next one.
    with owned(checkpoints, resources.owner_stale_after) as owner:
        files.clear_partials(folder)
        kept = tuning.Checkpoints(checkpoints, owner.check)
        head = registry.find("heads", params.type).load().fit(task, trunk, kept, resources.gpu)
        written = (made.model, made.grid, made.predictions, made.summary)
        run_files.write_run(task, head, *written, owner.check)
        kept.remove(written)
