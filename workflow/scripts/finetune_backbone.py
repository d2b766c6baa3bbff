"""Fine-tune a source's backbone with one loss; write the model, the grid, and the validation and test predictions."""

from chrom2expr.door import job

with job(snakemake) as call:
    import importlib
    from pathlib import Path

    import torch

    from chrom2expr import files, heads
    from chrom2expr.device import choose_device
    from chrom2expr.ownership import owned
    from chrom2expr.windows import Geometry

    given, params, made = call.input, call.params, call.output
    torch.set_num_threads(call.threads)
    room = importlib.import_module(f"chrom2expr.{params.room}")
    geometry = Geometry.from_config(params.geometry)
    weights, weights_sha256 = files.weights(given.weights)
    trunk = room.Trunk(
        weights=weights,
        geometry=geometry,
        bins=params.bins,
        settings=params.trunk,
        weights_sha256=weights_sha256,
    )
    data = room.read_data(given.codes, given.genes, given.expression, params.backbone, params.source, geometry)
    device = choose_device(call.resources.allow_cpu)
    task = heads.Task.of(data, params, device)
    folder = Path(made.model).parent
    # Not an output: it must outlive a job that is killed.
    checkpoints = folder / "checkpoints"
    resources = call.resources
    # The job of a Snakemake that was killed may live on, beside that of the next one.
    with owned(checkpoints, resources.owner_stale_after) as owner:
        files.clear_partials(folder)
        fitted, left = room.fit(task, trunk, checkpoints, resources.gpu, owner.check)
        written = (made.model, made.grid, made.predictions, made.summary)
        heads.write_run(task, fitted, *written, owner.check)
        left.remove(written)
