from snakemake.utils import min_version

min_version("9.14")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/genes.smk"
include: "workflow/rules/sequences.smk"
include: "workflow/rules/predicted_tracks.smk"
include: "workflow/rules/measured_tracks.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/heads.smk"
include: "workflow/rules/finetuning.smk"
include: "workflow/rules/attention.smk"
include: "workflow/rules/figures.smk"


if "simulation" in config:

    include: "workflow/rules/simulation.smk"


report: "workflow/report/workflow.rst"


# A machine runs as many GPU jobs at once as its profile says; a cluster gives every job a GPU of its own.
resource_scopes:
    gpu="local",


localrules:
    all,
    download,
    collect_bigwigs,
    merge_features,
    evaluate_baseline,
    join_tissues,
    tabulate_scores,
    tabulate_attention,
    tabulate_sources,
    tabulate_variation,
    draw_figure,


rule all:
    default_target: True
    input:
        expand("<results>/figures/{figure}.pdf", figure=config["figures"]),
        "<results>/genes/variation.tsv",
