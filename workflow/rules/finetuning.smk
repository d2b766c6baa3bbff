# Sequences -> the embedding of a window around each TSS, once, for the heads on a frozen trunk; and a trunk fine-tuned
# from the same sequences. The runs of both lie beside those of other heads, and are scored by evaluate_run.


rule embed_sequences:
    """Embed the windows of one shard of genes; the model is loaded once."""
    input:
        encoded=lambda wildcards: "<results>/sequences/{}/{}.h5".format(
            SOURCES[wildcards.source]["backbone"], wildcards.shard
        ),
        weights=lambda wildcards: resource(backbone_of(wildcards.source)["weights"]),
    output:
        "<results>/features/{source}/{shard}.h5",
    log:
        "<logs>/embed_sequences/{source}/{shard}.log",
    benchmark:
        "<benchmarks>/embed_sequences/{source}/{shard}.tsv"
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
        # Decides memory and speed, not the result: as a resource it triggers no rerun.
        batch_size=setting("backbones", "batch_size"),
    params:
        code=lambda wildcards: code(
            "embed_sequences.py", *backbone_class(wildcards), without=("attend", "predict")
        ),
        type=param(setting("backbones", "type")),
        geometry=param(source_geometry),
        bins=param(setting("sources", "bins")),
        reverse_complement=param(setting("backbones", "reverse_complement")),
        precision=param(setting("backbones", "precision")),
        settings=param(setting("sources", "settings")),
        source=param(lambda wildcards: wildcards.source),
    script:
        "../scripts/embed_sequences.py"


rule finetune_backbone:
    """Fine-tune a backbone and predict the validation and test genes; killed, it goes on from its last epoch."""
    input:
        encoded=sequence_shards,
        weights=lambda wildcards: resource(backbone_of(wildcards.source)["weights"]),
        split=split_of,
        expression="<results>/genes/expression.h5",
    output:
        model=f"<results>/models/{RUN}/model.pt",
        grid=f"<results>/models/{RUN}/grid.tsv",
        predictions=f"<results>/models/{RUN}/predictions.h5",
        summary=f"<results>/models/{RUN}/summary.json",
    log:
        f"<logs>/finetune_backbone/{RUN}.log",
    benchmark:
        f"<benchmarks>/finetune_backbone/{RUN}.tsv"
    wildcard_constraints:
        source=one_of([name for name in FITTED if SOURCES[name]["kind"] == "embedded"]),
        head=one_of(SEQUENCE_HEADS),
    # The longest jobs of all: first.
    priority: 2
    conda:
        backbone_environment
    threads: config["threads"]["fit_head"]
    resources:
        mem_mb=setting("heads", "mem_mb"),
        runtime=setting("heads", "runtime"),
        gpu=setting("heads", "devices"),
        allow_cpu=ALLOW_CPU,
        # When another job's hold on the checkpoints ends, not the result: as a resource it triggers no rerun.
        owner_stale_after=config["owner_stale_after"],
    params:
        code=lambda wildcards: code(
            "finetune_backbone.py", *fitted_classes(wildcards), without=("attend", "embed")
        ),
        type=param(setting("heads", "type")),
        backbone_type=param(setting("backbones", "type")),
        source=param(lambda wildcards: wildcards.source),
        geometry=param(source_geometry),
        bins=param(setting("sources", "bins")),
        trunk=param(setting("sources", "settings")),
        adaptation=param(setting("heads", "adaptation")),
        loss=param(loss_of),
        settings=param(setting("heads", "settings")),
        grid=param(setting("heads", "grid")),
        batch_size=param(setting("heads", "batch_size")),
        max_epochs=param(setting("heads", "max_epochs")),
        patience=param(setting("heads", "patience")),
        select_by=param(setting("heads", "select_by")),
        seed=param(config["seed"]),
        devices=param(setting("heads", "devices")),
    script:
        "../scripts/finetune_backbone.py"
