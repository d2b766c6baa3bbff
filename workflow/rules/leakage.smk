# Splits, windows and what backbones were trained on -> which test genes leak, and the scores without them.


rule compare_windows:
    """Hold the windows of a split's test genes against those of its training and validation genes."""
    input:
        tss="<results>/genes/tss.tsv",
        split="<results>/genes/splits/{split}.tsv",
        lifted="<results>/genes/contigs.json",
        fasta=genome_of_window("fa"),
        fai=genome_of_window("fa.fai"),
        info=genome_of_window("json"),
    output:
        "<results>/leakage/windows/{split}/{window}.tsv",
    log:
        "<logs>/compare_windows/{split}/{window}.log",
    benchmark:
        "<benchmarks>/compare_windows/{split}/{window}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        code=code("compare_windows.py"),
        assembly=param(lambda wildcards: WINDOWS[wildcards.window]["assembly"]),
        geometry=param(lambda wildcards: WINDOWS[wildcards.window]["geometry"]),
        sampled=param(config["leakage"]["sampled"]),
    script:
        "../scripts/compare_windows.py"


rule audit_leakage:
    """Say of each test gene of a source what of it, or of something like it, was learned from."""
    input:
        compared=compared_windows,
        tss="<results>/genes/tss.tsv",
        lifted="<results>/genes/contigs.json",
        info=genome_of("json"),
        regions=lambda wildcards: own_table(audited.trained_on(config, wildcards.source) or {}, "regions"),
    output:
        "<results>/leakage/{source}.tsv",
    log:
        "<logs>/audit_leakage/{source}.log",
    benchmark:
        "<benchmarks>/audit_leakage/{source}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code("audit_leakage.py"),
        source=param(lambda wildcards: wildcards.source),
        backbone=param(lambda wildcards: SOURCES[wildcards.source].get("backbone", "")),
        assembly=param(layout("assembly")),
        geometry=param(lambda wildcards: asdict(audited.window(config, wildcards.source))),
        trained_on=param(lambda wildcards: audited.trained_on(config, wildcards.source)),
    script:
        "../scripts/audit_leakage.py"


rule tabulate_leakage:
    """Count the test genes of every source that leak, and score every run without them."""
    input:
        audits=expand("<results>/leakage/{source}.tsv", source=audited.sources(config)),
        predictions=[f"<results>/models/{run['run']}/predictions.h5" for run in audited.scored_runs(config)],
    output:
        table="<results>/tables/leakage.tsv",
        scores="<results>/tables/leakage.scores.tsv",
        page=report(
            "<results>/tables/leakage.html",
            caption="../report/leakage.rst",
            category="Tables",
            labels={"table": "Leakage"},
        ),
    log:
        "<logs>/tabulate_leakage.log",
    benchmark:
        "<benchmarks>/tabulate_leakage.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code("tabulate_leakage.py", *metric_classes()),
        sources=param([audited.summarised(config, source) for source in audited.sources(config)]),
        runs=param(audited.scored_runs(config)),
        metrics=param(METRICS),
        shared=param(config["leakage"]["shared"]),
    script:
        "../scripts/tabulate_leakage.py"
