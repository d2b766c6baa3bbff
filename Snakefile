include: "workflow/Snakefile"


localrules:
    all,


rule all:
    default_target: True
    input:
        expand("<results>/figures/{figure}.pdf", figure=config["figures"]),
        "<results>/genes/variation.tsv",
        "<results>/tables/leakage.tsv",
        scored_variants(),
