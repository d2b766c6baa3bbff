# Shards -> one feature store a source, without copying.


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
