include: "workflow/Snakefile"


localrules:
    all,
    report_pages,


rule all:
    default_target: True
    input:
        expand("<results>/figures/{figure}.pdf", figure=config["figures"]),
        "<results>/genes/variation.tsv",
        "<results>/tables/leakage.tsv",
        scored_variants(),


# What `snakemake report_pages --report report.html` shows, once it is made.
rule report_pages:
    input:
        rules.all.input,
        "<results>/report/all/provenance.html",
