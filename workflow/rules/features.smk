# Shards -> one feature store a source, without copying -> reduced features for the heads that want them.


rule merge_features:
    """Check every shard of a source and join them into one virtual feature store."""
    input:
        shards=feature_shards,
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
    params:
        code=code("merge_features.py"),
    script:
        "../scripts/merge_features.py"


rule reduce_features:
    """Make a few features of each track of every gene, as the reduction that the heads name does."""
    input:
        features="<results>/features/{source}.h5",
        shards=feature_shards,
    output:
        "<results>/reduced_features/{reduction}/{source}/{inputs}.h5",
    log:
        "<logs>/reduce_features/{reduction}/{source}/{inputs}.log",
    benchmark:
        "<benchmarks>/reduce_features/{reduction}/{source}/{inputs}.tsv"
    wildcard_constraints:
        reduction=one_of(REDUCTIONS),
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        code=lambda wildcards: code("reduce_features.py", *classes(("reductions", wildcards.reduction))),
        reduction=param(lambda wildcards: wildcards.reduction),
        geometry=param(source_geometry),
        # How many bins in the middle: those around the TSS, or those that the inputs name.
        bins=param(
            lambda wildcards: (
                layout("central_bins")
                if runs.reduction(wildcards.reduction)["bins"] == "backbone"
                else setting("inputs", "bins")
            )(wildcards)
        ),
        tracks=param(setting("inputs", "tracks")),
    script:
        "../scripts/reduce_features.py"
