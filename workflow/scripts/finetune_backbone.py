"""Fine-tune a source's backbone with one loss; write the model, the grid, and the validation and test predictions."""

from chrom2expr.job import job

with job(snakemake) as call:
    from pathlib import Path

    import torch

    from chrom2expr import registry
    from chrom2expr.backbones.device import choose_device, memory_advice
    from chrom2expr.files import whole
    from chrom2expr.files.ownership import owned
    from chrom2expr.genome.windows import Geometry
    from chrom2expr.heads import finetuned, resumable_training, run_files, tasks

    given, made, params = call.input, call.output, call.params
    torch.set_num_threads(call.threads)
    geometry = Geometry.from_config(params.geometry)
    weights, weights_sha256 = whole.weights(given.weights)
    trunk = finetuned.Trunk(
        type=params.backbone_type,
        weights=weights,
        geometry=geometry,
        bins=params.bins,
        settings=params.trunk,
        adaptation=params.adaptation,
        weights_sha256=weights_sha256,
    )
    data = finetuned.read_data(given.encoded, given.split, given.expression, params.source, geometry)
    device = choose_device(call.resources.allow_cpu, call.resources.gpu)
    task = tasks.Task.of(data, params, device)
    folder = Path(made.model).parent
    # Not an output: it must outlive a job that is killed.
    checkpoints = folder / "checkpoints"
    # The job of a Snakemake that was killed may live on, beside that of the next one.
    kind = registry.find("heads", params.type).load()
    with owned(checkpoints, call.resources.owner_stale_after) as owner, memory_advice(kind.lower):
        whole.clear_partials(folder)
        kept = resumable_training.Checkpoints(checkpoints, owner.check)
        head = kind.fit(task, trunk, kept, call.resources.gpu)
        written = (made.model, made.grid, made.predictions, made.summary)
        run_files.write_run(task, head, *written, owner.check)
        kept.remove(written)
