# Sequences through a backbone, as it came and fine-tuned -> what each test gene's TSS attends to.


rule attend_base:
    """Attention of the test genes' TSS in a backbone as it came."""
    input:
        encoded=sequence_shards,
        split=split_of,
        weights=lambda wildcards: resource(backbone_of(wildcards.source)["weights"]),
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
        code=lambda wildcards: code(
            "attend_genes.py", *backbone_class(wildcards), without=("embed", "predict")
        ),
        type=param(setting("backbones", "type")),
        geometry=param(source_geometry),
        settings=param(setting("sources", "settings")),
    script:
        "../scripts/attend_genes.py"


rule attend_run:
    """Attention of the test genes' TSS in a backbone that a run fine-tuned."""
    input:
        encoded=sequence_shards,
        split=split_of,
        model=f"<results>/models/{RUN}/model.pt",
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
        code=lambda wildcards: code("attend_genes.py", *head_classes(wildcards), without=("embed", "predict")),
        head=param(setting("heads", "type")),
        geometry=param(source_geometry),
    script:
        "../scripts/attend_genes.py"
