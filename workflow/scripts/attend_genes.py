"""A backbone's weights, or a fine-tuned model, and sequences in; attention of the test genes' TSS out."""

import importlib
from pathlib import Path

from chrom2expr.door import job

with job(snakemake) as call:
    import torch

    from chrom2expr import attention, registry
    from chrom2expr.codes import SequenceStore
    from chrom2expr.device import choose_device
    from chrom2expr.splits import read_split
    from chrom2expr.windows import Geometry

    given, params = call.input, call.params
    torch.set_num_threads(call.threads)
    geometry = Geometry.from_config(params.geometry)
    query = attention.tss_bin(geometry)
    gene_id, split = read_split(given.genes)
    device = choose_device(call.resources.allow_cpu)
    room = importlib.import_module(f"chrom2expr.{params.room}")
    rows = importlib.import_module(f"chrom2expr.{params.room}_attention")
    if head := getattr(params, "head", None):
        trunk = registry.find("heads", head).load().load(given.model).network.trunk
    else:
        # One file, or the files of a folder.
        weights = Path(given.weights) if isinstance(given.weights, str) else Path(given.weights[0]).parent
        trunk = room.read(weights, geometry, **params.settings)
    trunk = trunk.to(device)
    with SequenceStore(given.codes, geometry.sequence_length) as store:
        attention.attend_genes(
            lambda codes: rows.attend(trunk, torch.from_numpy(codes).to(device), query).cpu().numpy(),
            store.select(gene_id[split == "test"]),
            geometry,
            params.orientation,
            call.output[0],
        )
