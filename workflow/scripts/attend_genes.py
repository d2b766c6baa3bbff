"""A backbone's weights, or a run's model, and sequences in; attention of the test genes' TSS out."""

from chrom2expr.job import job

with job(snakemake) as call:
    import torch

    from chrom2expr import registry
    from chrom2expr.backbones import attention
    from chrom2expr.backbones.device import choose_device, memory_advice, to_device
    from chrom2expr.files import whole
    from chrom2expr.genome.sequence_store import SequenceStore
    from chrom2expr.genome.splits import read_split
    from chrom2expr.genome.windows import Geometry

    given, made, params = call.input, call.output, call.params
    torch.set_num_threads(call.threads)
    geometry = Geometry.from_config(params.geometry)
    query = attention.tss_bin(geometry)
    gene_id, split = read_split(given.split)
    device = choose_device(call.resources.allow_cpu)
    if hasattr(params, "head"):
        trunk = registry.find("heads", params.head).load().load(given.model).backbone
    else:
        weights, _ = whole.weights(given.weights)
        trunk = registry.find("backbones", params.type).load().load(weights, geometry, params.settings)
    trunk = trunk.to(device)
    # Genes go one at a time already.
    advice = memory_advice("sources: NAME: geometry: sequence_length")
    with advice, SequenceStore(given.encoded, geometry.sequence_length) as store:
        attention.attend_genes(
            lambda encoded: trunk.attend(to_device(encoded, device), query).cpu().numpy(),
            store.select(gene_id[split == "test"]),
            geometry,
            made[0],
        )
