# A simulated genome in the real formats, and small backbones trained on it. Included only when the config has a
# `simulation` section; everything it writes lies in <resources>/simulated, and no other rule knows about it.

SIMULATED = "<resources>/simulated"


rule simulate_genome:
    """Write two assemblies, their chain, genes, expression, track tables and bigWigs with a planted grammar; variants of it."""
    output:
        grch37=f"{SIMULATED}/grch37.fa",
        grch38=f"{SIMULATED}/grch38.fa",
        chain=f"{SIMULATED}/grch37ToGrch38.over.chain.gz",
        annotation=f"{SIMULATED}/geneanno.csv",
        expression=f"{SIMULATED}/geneanno.exp.csv",
        enformer_tracks=f"{SIMULATED}/targets_human.txt",
        beluga_tracks=f"{SIMULATED}/deepsea_beluga_features.tsv",
        motifs=f"{SIMULATED}/motifs.tsv",
        variants=f"{SIMULATED}/variants.vcf",
        effects=f"{SIMULATED}/variant_effects.tsv",
        bigwigs_enformer=directory(f"{SIMULATED}/bigwigs/enformer"),
        bigwigs_beluga=directory(f"{SIMULATED}/bigwigs/beluga"),
    log:
        "<logs>/simulate_genome.log",
    benchmark:
        "<benchmarks>/simulate_genome.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=20,
    params:
        code=code("simulate_genome.py"),
        simulation=param(config["simulation"]["genome"]),
        variants=param(config["simulation"]["variants"]),
        seed=param(config["seed"]),
    script:
        "../scripts/simulate_genome.py"


for simulated_backbone, simulated_weights in [
    (
        "enformer",
        [f"{SIMULATED}/enformer_weights/{file}" for file in config["resources"]["enformer_weights"]["files"]],
    ),
    ("beluga", f"{SIMULATED}/deepsea.beluga.pth"),
]:

    rule:
        name:
            f"train_simulated_{simulated_backbone}"
        input:
            **simulated_training_inputs(simulated_backbone),
            motifs=rules.simulate_genome.output.motifs,
        output:
            weights=simulated_weights,
        log:
            f"<logs>/train_simulated/{simulated_backbone}.log",
        benchmark:
            f"<benchmarks>/train_simulated/{simulated_backbone}.tsv"
        conda:
            environment(simulated_backbone)
        threads: 1
        resources:
            mem_mb=4000,
            runtime=60,
            gpu=1,
        params:
            code=code(
                "train_simulated_backbone.py",
                *classes(("backbones", config["backbones"][simulated_backbone]["type"])),
            ),
            type=param(config["backbones"][simulated_backbone]["type"]),
            geometry=param(config["backbones"][simulated_backbone]["geometry"]),
            settings=param(config["simulation"]["backbones"][simulated_backbone]),
            seed=param(config["seed"]),
        script:
            "../scripts/train_simulated_backbone.py"
