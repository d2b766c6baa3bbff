# Genomes -> the sequence around every gene's TSS, one byte a base.


rule index_genome:
    """Link a genome, index it, and note its checksum and contig lengths."""
    input:
        fasta=lambda wildcards: resource(config["assemblies"][wildcards.assembly]["fasta"]),
    output:
        fasta="<results>/genome/{assembly}.fa",
        fai="<results>/genome/{assembly}.fa.fai",
        info="<results>/genome/{assembly}.json",
    log:
        "<logs>/index_genome/{assembly}.log",
    benchmark:
        "<benchmarks>/index_genome/{assembly}.tsv"
    priority: 1  # bigWigs are binned, and dropped, only once this is done
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        code=code("index_genome.py"),
    script:
        "../scripts/index_genome.py"


rule extract_sequences:
    """Write the encoded sequences of one shard of genes, after checking every gene against the genome."""
    input:
        tss="<results>/genes/tss.tsv",
        fasta=genome_of("fa"),
        fai=genome_of("fa.fai"),
        info=genome_of("json"),
        lifted="<results>/genes/contigs.json",
    output:
        "<results>/sequences/{backbone}/{shard}.h5",
    log:
        "<logs>/extract_sequences/{backbone}/{shard}.log",
    benchmark:
        "<benchmarks>/extract_sequences/{backbone}/{shard}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=code("extract_sequences.py"),
        assembly=param(setting("backbones", "assembly")),
        geometry=param(setting("backbones", "geometry")),
        shard=param(lambda wildcards: int(wildcards.shard)),
        shards=param(setting("backbones", "shards")),
    script:
        "../scripts/extract_sequences.py"
