# bigWigs -> measured chromatin tracks in a backbone's bins, a group of tracks a job; or Basenji's preprocessed data ->
# the same, a group of files of records a job, then a shard of genes a job.


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
        source=one_of(BINNED),
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
        source=one_of(BINNED),
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


rule unpack_records:
    """Read one group of files of records once, and keep the bins of them that lie around genes."""
    input:
        tss="<results>/genes/tss.tsv",
        lifted="<results>/genes/contigs.json",
        fasta=genome_of("fa"),
        fai=genome_of("fa.fai"),
        info=genome_of("json"),
        tracks=track_table,
        records=records_folder,
    output:
        temp("<resources>/records/{source}/{shard}.h5"),
    log:
        "<logs>/unpack_records/{source}/{shard}.log",
    benchmark:
        "<benchmarks>/unpack_records/{source}/{shard}.tsv"
    wildcard_constraints:
        source=one_of(RECORDED),
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=360,
    params:
        code=code("unpack_records.py"),
        assembly=param(layout("assembly")),
        geometry=param(layout("geometry")),
        missing=param(setting("sources", "missing_bigwigs")),
        group=param(lambda wildcards: int(wildcards.shard)),
        groups=param(setting("sources", "groups")),
    script:
        "../scripts/unpack_records.py"


rule bin_records:
    """Average what all groups kept over the bins of one shard of genes."""
    input:
        tss="<results>/genes/tss.tsv",
        lifted="<results>/genes/contigs.json",
        info=genome_of("json"),
        kept=kept_bins,
    output:
        "<results>/features/{source}/{shard}.h5",
    log:
        "<logs>/bin_records/{source}/{shard}.log",
    benchmark:
        "<benchmarks>/bin_records/{source}/{shard}.tsv"
    wildcard_constraints:
        source=one_of(RECORDED),
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=360,
    params:
        code=code("bin_records.py"),
        assembly=param(layout("assembly")),
        geometry=param(layout("geometry")),
        shard=param(lambda wildcards: int(wildcards.shard)),
        shards=param(setting("sources", "shards")),
        source=param(lambda wildcards: wildcards.source),
    script:
        "../scripts/bin_records.py"
