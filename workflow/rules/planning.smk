# The config and what is done already -> what the run takes. Nothing else reads it.


def gpus_at_once():
    """How many GPUs jobs may hold at a time, as a profile or --resources says; None if there is no limit."""
    found = workflow.global_resources.get("gpu")
    return getattr(found, "value", found)


rule plan_run:
    """State what the workflow's own target takes: jobs, downloads, disk, hours and memory, and what is still to do."""
    input:
        rates=in_place(of_the_workflow("rates.tsv")),
    output:
        "<results>/plan.html",
    log:
        "<logs>/plan_run.log",
    benchmark:
        "<benchmarks>/plan_run.tsv"
    conda:
        "../envs/planning.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=lambda wildcards: code("plan_run.py"),
        config=param(config),
        # What Snakemake was called with, by which it is asked again.
        snakefile=param(os.path.relpath(workflow.main_snakefile)),
        configs=param([os.path.relpath(file) for file in workflow.config_settings.configfiles]),
        overlaid=param(dict(workflow.config_settings.config)),
        cores=param(workflow.resource_settings.cores or workflow.resource_settings.nodes or 1),
        gpus=param(lambda wildcards: gpus_at_once()),
    script:
        "../scripts/plan_run.py"
