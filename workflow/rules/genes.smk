# Gene table and expression matrix -> lifted genes, splits and targets. Sequences and tracks depend on the TSS positions
# only, so that other targets or splits never repeat inference.


rule lift_genes:
    """Lift the genes to the other assemblies in use, and leave out those that the config does not want."""
    input:
        annotation=resource("gene_annotation"),
        chains=[
            resource(config["assemblies"][config["genes"]["assembly"]]["lift_to"][other])
            for other in LIFTED_TO
        ],
        # A chain knows the contigs; without one the genome does.
        info=[] if LIFTED_TO else f"<results>/genome/{config['genes']['assembly']}.json",
    output:
        tss="<results>/genes/tss.tsv",
        dropped="<results>/genes/dropped.tsv",
        contigs="<results>/genes/contigs.json",
    log:
        "<logs>/lift_genes.log",
    benchmark:
        "<benchmarks>/lift_genes.tsv"
    priority: 1  # bigWigs are binned, and dropped, only once this is done
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("lift_genes.py"),
        assembly=param(config["genes"]["assembly"]),
        lift_to=param(LIFTED_TO),
        tss=param(config["genes"]["tss"]),
        columns=param(config["genes"]["columns"]),
        only_types=param(config["genes"]["only_types"]),
        exclude_types=param(config["genes"]["exclude_types"]),
        exclude_chromosomes=param(config["genes"]["exclude_chromosomes"]),
        contigs=param(config["genes"]["contigs"]),
    script:
        "../scripts/lift_genes.py"


rule split_genes:
    """Deal the genes out to training, validation and test: one split, which sources name."""
    input:
        tss="<results>/genes/tss.tsv",
        dropped="<results>/genes/dropped.tsv",
        file=lambda wildcards: own_table(config["splits"][wildcards.split], "file"),
        families=lambda wildcards: own_table(families_of(wildcards), "table"),
        # The genome, if the genes' windows are compared.
        fasta=compared_genome("fa"),
        fai=compared_genome("fa.fai"),
        info=compared_genome("json"),
        lifted=lambda wildcards: (
            "<results>/genes/contigs.json" if families_of(wildcards).get("shared") else []
        ),
    output:
        "<results>/genes/splits/{split}.tsv",
        shared="<results>/genes/splits/{split}.shared_tss.tsv",
    log:
        "<logs>/split_genes/{split}.log",
    benchmark:
        "<benchmarks>/split_genes/{split}.tsv"
    wildcard_constraints:
        split=one_of(name for name, section in config["splits"].items() if not folds.has_folds(section)),
    priority: 1  # a config that cannot be split is found before the long jobs start
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("split_genes.py"),
        name=param(lambda wildcards: wildcards.split),
        section=param(lambda wildcards: config["splits"][wildcards.split]),
        seed=param(config["seed"]),
    script:
        "../scripts/split_genes.py"


rule compute_targets:
    """Compute the targets, ln(expression + pseudocount), of the genes."""
    input:
        annotation=resource("gene_annotation"),
        expression=resource("gene_expression"),
        # Read through the sample sheet, if that is what names the expression.
        quantifications=quantification_files,
        tss="<results>/genes/tss.tsv",
    output:
        "<results>/genes/expression.h5",
    log:
        "<logs>/compute_targets.log",
    benchmark:
        "<benchmarks>/compute_targets.tsv"
    priority: 1  # a bad matrix is found before the long jobs start
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
        # What the matrix has to have tissues for; as a resource it triggers no rerun.
        comparing_tissues=" ".join(runs.comparing_tissues(config)),
    params:
        code=code("compute_targets.py"),
        tss=param(config["genes"]["tss"]),
        columns=param(config["genes"]["columns"]),
        ids=param(config["expression"]["ids"]),
        unit=param(config["expression"]["unit"]),
        unmatched=param(config["expression"]["unmatched"]),
        cells=param(config["expression"]["cells"]),
        counts_to=param(config["expression"]["counts_to"]),
        samples=param(config["expression"]["samples"]),
        pseudocount=param(config["expression"]["pseudocount"]),
        missing=param(config["expression"]["missing"]),
    script:
        "../scripts/compute_targets.py"
