"""A fitted run, a genome and a file of variants in; their effects on the genes of a shard out."""

from pathlib import Path

from chrom2expr.job import job

with job(snakemake) as call:
    import pandas as pd
    import torch

    from chrom2expr.application import annotated_vcf
    from chrom2expr.application.scoring import Question, score
    from chrom2expr.application.trained_run import load_run
    from chrom2expr.backbones.device import choose_device, memory_advice
    from chrom2expr.files import whole
    from chrom2expr.genome.genes import locate, read_genes_in
    from chrom2expr.genome.liftover import read_chain
    from chrom2expr.genome.sequences import Genome

    given, made, params = call.input, call.output, call.params
    torch.set_num_threads(call.threads)
    device = choose_device(call.resources.allow_cpu)
    if call.resources.annotated:
        annotated_vcf.check(given.vcf)
    run = load_run(Path(given.model).parent, whole.weights(given.weights)[0] if given.weights else None)
    info = whole.read_json(given.info)
    genes = read_genes_in(given.tss, params.assembly, info["contigs"], whole.read_json(given.lifted))
    chain = source = None
    if given.chain:
        chain = read_chain(given.chain, params.written_on, params.assembly)
        source = Genome(given.source, whole.read_json(given.source_info)["fai_sha256"])
    asked = Question(
        vcf=Path(given.vcf),
        genome=Genome(given.fasta, info["fai_sha256"]),
        genes=pd.concat([genes[["gene_id"]], locate(genes, params.assembly)], axis=1),
        wanted=Path(given.pairs) if given.pairs else None,
        chain=chain,
        source=source,
        on_mismatch=params.ref_mismatch,
    )
    with memory_advice("variants: NAME: batch_size"):
        score(
            run,
            made[0],
            asked,
            shard=params.shard,
            shards=params.shards,
            size=call.resources.batch_size,
            device=device,
        )
