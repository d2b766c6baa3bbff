# Sequences -> the embedding of a window around each TSS, once, for the heads on a frozen trunk; and a trunk fine-tuned
# from the same sequences. The runs of both stand beside those of other heads, and are scored by evaluate_run.


rule embed_sequences:
    """Embed the windows of one shard of genes; the model is loaded once."""
    input:
        codes=lambda wildcards: "<results>/sequences/{}/{}.h5".format(
            SOURCES[wildcards.source]["backbone"], wildcards.shard
        ),
        weights=lambda wildcards: resource(backbone_of(wildcards.source)["weights"]),
        code=lambda wildcards: code("embed_sequences.py", backbone_of(wildcards.source)["room"]),
    output:
        "<results>/features/{source}/{shard}.h5",
    log:
        "<logs>/embed_sequences/{source}/{shard}.log",
    benchmark:
        "<benchmarks>/embed_sequences/{source}/{shard}.tsv"
    wildcard_constraints:
        source=one_of(EMBEDDED),
    conda:
        "../envs/model.yaml"
    threads: config["threads"]["predict_tracks"]
    resources:
        mem_mb=backbone_param("mem_mb", int),
        runtime=backbone_param("runtime", int),
        gpu=1,
        allow_cpu=ALLOW_CPU,
        # Decides memory and speed, not the result: as a resource it triggers no rerun.
        batch_size=backbone_param("batch_size", int),
    params:
        room=backbone_param("room", str),
        geometry=source_geometry,
        bins=source_param("bins", int),
        reverse_complement=backbone_param("reverse_complement", bool),
        settings=source_param("settings"),
        source="{source}",
    script:
        "../scripts/embed_sequences.py"


rule finetune_backbone:
    """Fine-tune a backbone and predict the validation and test genes; killed, it goes on from its last epoch."""
    input:
        codes=sequence_shards,
        weights=lambda wildcards: resource(backbone_of(wildcards.source)["weights"]),
        genes="<results>/genes/genes.tsv",
        expression="<results>/genes/expression.h5",
        code=lambda wildcards: code("finetune_backbone.py", config["heads"][wildcards.head]["room"]),
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
        source=one_of(EMBEDDED),
        head=one_of(SEQUENCE_HEADS),
    # The longest jobs of all: first.
    priority: 2
    conda:
        "../envs/model.yaml"
    threads: config["threads"]["fit_head"]
    resources:
        mem_mb=head_param("mem_mb", int),
        runtime=head_param("runtime", int),
        gpu=lambda wildcards: config["heads"][wildcards.head]["settings"].get("devices", 1),
        allow_cpu=ALLOW_CPU,
        # When another job's hold on the checkpoints ends, not the result: as a resource it triggers no rerun.
        owner_stale_after=config["owner_stale_after"],
    params:
        room=head_param("room", str),
        backbone=lambda wildcards: SOURCES[wildcards.source]["backbone"],
        source="{source}",
        geometry=source_geometry,
        bins=source_param("bins", int),
        trunk=source_param("settings"),
        loss=lambda wildcards: as_json(config["losses"][wildcards.loss]),
        settings=head_param("settings"),
        grid=head_param("grid"),
        batch_size=head_param("batch_size", int),
        max_epochs=head_param("max_epochs", int),
        patience=head_param("patience", int),
        select_by=head_param("select_by", str),
        seed=config["seed"],
    script:
        "../scripts/finetune_backbone.py"
