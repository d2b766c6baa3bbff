# Fitted runs and files of variants -> the effects of these on expression, gene by gene and tissue by tissue.


rule score_variants:
    """Predict what the variants of a file do to the expression of one shard of genes, in every tissue."""
    input:
        vcf=variants_file("vcf"),
        pairs=variants_file("pairs"),
        model=f"<results>/models/{RUN}/model.pt",
        summary=f"<results>/models/{RUN}/summary.json",
        weights=variants_weights,
        tss="<results>/genes/tss.tsv",
        lifted="<results>/genes/contigs.json",
        fasta=genome_of("fa"),
        fai=genome_of("fa.fai"),
        info=genome_of("json"),
        chain=variants_chain,
        source=variants_genome("fa"),
        source_fai=variants_genome("fa.fai"),
        source_info=variants_genome("json"),
    output:
        temp(f"<results>/variants/{{variants}}/{VARIANT_RUN}/{{shard}}.parquet"),
    log:
        f"<logs>/score_variants/{{variants}}/{VARIANT_RUN}/{{shard}}.log",
    benchmark:
        f"<benchmarks>/score_variants/{{variants}}/{VARIANT_RUN}/{{shard}}.tsv"
    wildcard_constraints:
        source=one_of(FITTED),
    conda:
        backbone_environment
    threads: config["threads"]["predict_tracks"]
    resources:
        mem_mb=setting("backbones", "mem_mb"),
        runtime=setting("variants", "runtime"),
        gpu=1,
        allow_cpu=ALLOW_CPU,
        # Decides memory and speed, not the result: as a resource it triggers no rerun.
        batch_size=setting("variants", "batch_size"),
        # So that a file that cannot be annotated is refused before work.
        annotated=lambda wildcards: int(VARIANTS[wildcards.variants]["annotated_vcf"]),
    params:
        code=lambda wildcards: code("score_variants.py", *used_classes(wildcards), without=("attend", "fit")),
        assembly=param(layout("assembly")),
        written_on=param(variants_assembly),
        ref_mismatch=param(setting("variants", "ref_mismatch")),
        shard=param(lambda wildcards: int(wildcards.shard)),
        shards=param(setting("variants", "shards")),
    script:
        "../scripts/score_variants.py"


rule join_variants:
    """Join the effects on the genes of each shard, and tell each variant's strongest effect on each gene."""
    input:
        shards=variants_shards,
    output:
        table=f"<results>/variants/{{variants}}/{VARIANT_RUN}.parquet",
        strongest=f"<results>/variants/{{variants}}/{VARIANT_RUN}.tsv.gz",
    log:
        f"<logs>/join_variants/{{variants}}/{VARIANT_RUN}.log",
    benchmark:
        f"<benchmarks>/join_variants/{{variants}}/{VARIANT_RUN}.tsv"
    conda:
        MODEL_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=code("join_variants.py"),
    script:
        "../scripts/join_variants.py"


rule compare_effects:
    """Compare a run's effects with the true ones that a table gives: their rank correlation, and that of shuffled ones."""
    input:
        effects=f"<results>/variants/{{variants}}/{VARIANT_RUN}.parquet",
        truth=variants_file("truth"),
    output:
        f"<results>/variants/{{variants}}/{VARIANT_RUN}.truth.tsv",
    log:
        f"<logs>/compare_effects/{{variants}}/{VARIANT_RUN}.log",
    benchmark:
        f"<benchmarks>/compare_effects/{{variants}}/{VARIANT_RUN}.tsv"
    wildcard_constraints:
        variants=one_of(name for name, section in VARIANTS.items() if "truth" in section),
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=code("compare_effects.py"),
        resamples=param(config["bootstrap_resamples"]),
        seed=param(config["seed"]),
    script:
        "../scripts/compare_effects.py"


rule annotate_variants:
    """Write the file of variants with the effects by a run in it, indexed."""
    input:
        vcf=variants_file("vcf"),
        table=f"<results>/variants/{{variants}}/{VARIANT_RUN}.parquet",
        strongest=f"<results>/variants/{{variants}}/{VARIANT_RUN}.tsv.gz",
    output:
        vcf=f"<results>/variants/{{variants}}/{VARIANT_RUN}.vcf.gz",
        index=f"<results>/variants/{{variants}}/{VARIANT_RUN}.vcf.gz.tbi",
    log:
        f"<logs>/annotate_variants/{{variants}}/{VARIANT_RUN}.log",
    benchmark:
        f"<benchmarks>/annotate_variants/{{variants}}/{VARIANT_RUN}.tsv"
    conda:
        MODEL_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        code=code("annotate_variants.py"),
    script:
        "../scripts/annotate_variants.py"
