# Gene table and expression matrix -> lifted genes, splits and targets.


rule prepare_genes:
    """Lift the genes to GRCh38, filter and split them, and compute their targets."""
    input:
        annotation=resource("gene_annotation"),
        expression=resource("gene_expression"),
        chain=resource("liftover_chain"),
        code=code("prepare_genes.py"),
    output:
        genes="<results>/genes/genes.tsv",
        dropped="<results>/genes/dropped.tsv",
        expression="<results>/genes/expression.h5",
    log:
        "<logs>/prepare_genes.log",
    benchmark:
        "<benchmarks>/prepare_genes.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        exclude_types=as_json(config["genes"]["exclude_types"]),
        exclude_chromosomes=as_json(config["genes"]["exclude_chromosomes"]),
        contigs=config["genes"]["contigs"],
        held_out=as_json({name: backbone["held_out"] for name, backbone in config["backbones"].items()}),
        pseudocount=as_json(config["expression"]["pseudocount"]),
        missing=config["expression"]["missing"],
        seed=config["seed"],
    script:
        "../scripts/prepare_genes.py"
