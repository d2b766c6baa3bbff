# Sequences through a backbone, as it came and fine-tuned -> what each test gene's TSS attends to -> figures 3.6, 3.7.


rule attend_base:
    """Attention of the test genes' TSS in a backbone as it came."""
    input:
        codes=sequence_shards,
        genes=split_of,
        weights=lambda wildcards: resource(backbone_of(wildcards.source)["weights"]),
        code=lambda wildcards: code("attend_genes.py", *backbone_files(wildcards)),
    output:
        "<results>/attention/{source}.h5",
    log:
        "<logs>/attend_base/{source}.log",
    benchmark:
        "<benchmarks>/attend_base/{source}.tsv"
    wildcard_constraints:
        source=one_of(EMBEDDED),
    conda:
        backbone_environment
    threads: config["threads"]["predict_tracks"]
    resources:
        mem_mb=setting("backbones", "mem_mb"),
        runtime=setting("backbones", "runtime"),
        gpu=1,
        allow_cpu=ALLOW_CPU,
    params:
        type=param(setting("backbones", "type")),
        geometry=param(source_geometry),
        settings=param(setting("sources", "settings")),
    script:
        "../scripts/attend_genes.py"


rule attend_run:
    """Attention of the test genes' TSS in a backbone that a run fine-tuned."""
    input:
        codes=sequence_shards,
        genes=split_of,
        model=f"<results>/models/{RUN}/model.pt",
        code=lambda wildcards: code("attend_genes.py", *head_files(wildcards)),
    output:
        f"<results>/models/{RUN}/attention.h5",
    log:
        f"<logs>/attend_run/{RUN}.log",
    benchmark:
        f"<benchmarks>/attend_run/{RUN}.tsv"
    wildcard_constraints:
        source=one_of(EMBEDDED),
        head=one_of(SEQUENCE_HEADS),
    conda:
        backbone_environment
    threads: config["threads"]["predict_tracks"]
    resources:
        mem_mb=setting("backbones", "mem_mb"),
        runtime=setting("backbones", "runtime"),
        gpu=1,
        allow_cpu=ALLOW_CPU,
    params:
        head=param(setting("heads", "type")),
        geometry=param(source_geometry),
    script:
        "../scripts/attend_genes.py"


rule tabulate_attention:
    """Average the attention of a figure's models over the test genes, or count the distal bins that have much of it."""
    input:
        attention=attention_files,
        code=code("tabulate_attention.py"),
    output:
        "<results>/figures/{figure}.tsv",
    log:
        "<logs>/tabulate_figure/{figure}.log",
    benchmark:
        "<benchmarks>/tabulate_figure/{figure}.tsv"
    wildcard_constraints:
        figure=one_of(runs.ATTENTION),
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        figure=param(lambda wildcards: wildcards.figure),
        models=param(lambda wildcards: runs.attention_models(config, wildcards.figure)),
        distal_bins=param(config["attention"]["distal_bins"]),
        thresholds=param(config["attention"]["thresholds"]),
    script:
        "../scripts/tabulate_attention.py"
