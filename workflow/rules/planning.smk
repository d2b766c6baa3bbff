# The config and what is done already -> what the run takes. Nothing else reads it.


rule plan_run:
    """State what the workflow's own target takes: jobs, downloads, disk, hours and memory, and what is still to do."""
    input:
        rates=in_place(of_the_workflow("rates.tsv")),
    output:
        report(
            "<results>/plan.html",
            caption="../report/plan.rst",
            category="Run",
            labels={"page": "Plan"},
        ),
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
        config=param(MASKED),
        snakefile=param(SNAKEFILE),
        configs=param(CONFIGS),
        overlaid=param(OVERLAID),
        cores=param(workflow.resource_settings.cores or workflow.resource_settings.nodes or 1),
        # None where neither a profile nor --resources gives a limit.
        gpus=param(lambda wildcards: getattr(workflow.global_resources.get("gpu"), "value", None)),
    script:
        "../scripts/plan_run.py"
