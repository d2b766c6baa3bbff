# Sequences -> chromatin tracks predicted by a backbone.


rule predict_tracks:
    """Predict the tracks of one shard of genes; the model is loaded once."""
    input:
        encoded=lambda wildcards: "<results>/sequences/{}/{}.h5".format(
            SOURCES[wildcards.source]["backbone"], wildcards.shard
        ),
        weights=lambda wildcards: resource(backbone_of(wildcards.source)["weights"]),
        tracks=lambda wildcards: resource(backbone_of(wildcards.source)["tracks"]),
    output:
        "<results>/features/{source}/{shard}.h5",
    log:
        "<logs>/predict_tracks/{source}/{shard}.log",
    benchmark:
        "<benchmarks>/predict_tracks/{source}/{shard}.tsv"
    wildcard_constraints:
        source=one_of(PREDICTED),
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
            "predict_tracks.py", *backbone_class(wildcards), without=("attend", "embed")
        ),
        type=param(setting("backbones", "type")),
        geometry=param(setting("backbones", "geometry")),
        settings=param(setting("backbones", "settings")),
        reverse_complement=param(setting("backbones", "reverse_complement")),
        precision=param(setting("backbones", "precision")),
        central_bins=param(setting("backbones", "central_bins")),
        source=param(lambda wildcards: wildcards.source),
    script:
        "../scripts/predict_tracks.py"
