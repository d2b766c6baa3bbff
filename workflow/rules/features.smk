# Shards -> one feature store a source, without copying -> reduced features for the heads that want them.


rule merge_features:
    """Check every shard of a source and join them into one virtual feature store."""
    input:
        shards=feature_shards,
        code=code("merge_features.py"),
    output:
        "<results>/features/{source}.h5",
    log:
        "<logs>/merge_features/{source}.log",
    benchmark:
        "<benchmarks>/merge_features/{source}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    script:
        "../scripts/merge_features.py"


rule reduce_features:
    """Sum each track over the bins, weighted by ExPecto's spatial basis: ten features a track, in one pass."""
    input:
        features="<results>/features/{source}.h5",
        shards=feature_shards,
        code=code("reduce_features.py"),
    output:
        "<results>/reduced/{source}/{inputs}.h5",
    log:
        "<logs>/reduce_features/{source}/{inputs}.log",
    benchmark:
        "<benchmarks>/reduce_features/{source}/{inputs}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        geometry=backbone_param("geometry"),
        bins=inputs_param("bins", int),
        tracks=inputs_param("tracks", str),
    script:
        "../scripts/reduce_features.py"
