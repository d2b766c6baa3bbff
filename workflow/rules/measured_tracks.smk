# bigWigs -> measured chromatin tracks in a backbone's bins, a group of tracks a job.


rule collect_bigwigs:
    """Download one group's bigWigs, or find them where they lie; the manifest says which are missing."""
    input:
        tracks=track_table,
        overrides=overrides,
    output:
        manifest="<resources>/bigwigs/{source}/{shard}.tsv",
        folder=temp(directory("<resources>/bigwigs/{source}/{shard}")),
    log:
        "<logs>/collect_bigwigs/{source}/{shard}.log",
    benchmark:
        "<benchmarks>/collect_bigwigs/{source}/{shard}.tsv"
    wildcard_constraints:
        source=one_of(MEASURED),
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=720,
        mirror=json.dumps(config["mirror"]),  # as a resource, it fetches nothing again
    params:
        code=code("collect_bigwigs.py"),
        source=param(lambda wildcards: wildcards.source),
        templates=param(setting("sources", "bigwigs")),
        missing=param(setting("sources", "missing_bigwigs")),
        group=param(lambda wildcards: int(wildcards.shard)),
        groups=param(setting("sources", "groups")),
    script:
        "../scripts/collect_bigwigs.py"


rule bin_bigwigs:
    """Bin one group of bigWigs around every gene's TSS."""
    input:
        tss="<results>/genes/tss.tsv",
        lifted="<results>/genes/contigs.json",
        manifest="<resources>/bigwigs/{source}/{shard}.tsv",
        folder="<resources>/bigwigs/{source}/{shard}",
        info=genome_of("json"),
    output:
        "<results>/features/{source}/{shard}.h5",
    log:
        "<logs>/bin_bigwigs/{source}/{shard}.log",
    benchmark:
        "<benchmarks>/bin_bigwigs/{source}/{shard}.tsv"
    wildcard_constraints:
        source=one_of(MEASURED),
    priority: 1  # a group is binned and dropped before the next one is fetched
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=360,
    params:
        code=code("bin_bigwigs.py"),
        assembly=param(layout("assembly")),
        geometry=param(layout("geometry")),
        source=param(lambda wildcards: wildcards.source),
    script:
        "../scripts/bin_bigwigs.py"
