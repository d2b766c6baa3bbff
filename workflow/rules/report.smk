# All figures, or some, and what was noted while they were made -> the pages of their report beside the figures.


rule tabulate_results:
    """Gather what a report's figures rest on: scores and comparisons, grids of runs, and the genes that were dropped."""
    input:
        scores=tables_of_scores(".tsv"),
        pairs=tables_of_scores(".pairs.tsv"),
        grids=lambda wildcards: [
            f"<results>/models/{run}/grid.tsv" for run in scope.fitted_runs(config, wildcards.shown)
        ],
        dropped="<results>/genes/dropped.tsv",
    output:
        scores=report(
            "<results>/report/{shown}/scores.html",
            caption="../report/scores.rst",
            category="Tables",
            labels={"table": "Scores"},
        ),
        grids=report(
            "<results>/report/{shown}/grids.html",
            caption="../report/grids.rst",
            category="Tables",
            labels={"table": "Grid search"},
        ),
        dropped=report(
            "<results>/report/{shown}/dropped.html",
            caption="../report/dropped.rst",
            category="Tables",
            labels={"table": "Dropped genes"},
        ),
    log:
        "<logs>/tabulate_results/{shown}.log",
    benchmark:
        "<benchmarks>/tabulate_results/{shown}.tsv"
    conda:
        "../envs/planning.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("tabulate_results.py"),
        runs=param(lambda wildcards: scope.searched(config, wildcards.shown)),
    script:
        "../scripts/tabulate_results.py"


rule write_methods:
    """Tell what was done for a report's figures, as a text to paste, with what it cites."""
    input:
        environments=environments(),
    output:
        report(
            "<results>/report/{shown}/methods.html",
            caption="../report/methods.rst",
            category="Run",
            labels={"page": "Methods"},
        ),
    log:
        "<logs>/write_methods/{shown}.log",
    benchmark:
        "<benchmarks>/write_methods/{shown}.tsv"
    conda:
        "../envs/planning.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("write_methods.py"),
        config=param(MASKED),
        shown=param(lambda wildcards: wildcards.shown),
    script:
        "../scripts/write_methods.py"


rule describe_run:
    """State the config of a report's figures, what they come from, and what their jobs took, once all is done."""
    input:
        figures=lambda wildcards: expand(
            "<results>/figures/{figure}.pdf", figure=scope.scope(config, wildcards.shown).figures
        ),
        pages=expand("<results>/report/{{shown}}/{page}.html", page=["scores", "grids", "dropped", "methods"]),
        others=reported_beside,
        base=in_place(base if os.path.exists(base) else os.path.relpath(os.path.join(WORKFLOW, "..", base))),
        environments=environments(),
    output:
        config=report(
            "<results>/report/{shown}/config.html",
            caption="../report/config.rst",
            category="Run",
            labels={"page": "Config"},
        ),
        provenance=report(
            "<results>/report/{shown}/provenance.html",
            caption="../report/provenance.rst",
            category="Run",
            labels={"page": "Provenance"},
        ),
        usage=report(
            "<results>/report/{shown}/usage.html",
            caption="../report/usage.rst",
            category="Run",
            labels={"page": "Run time and memory"},
        ),
    log:
        "<logs>/describe_run/{shown}.log",
    benchmark:
        "<benchmarks>/describe_run/{shown}.tsv"
    conda:
        "../envs/planning.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        code=code("describe_run.py"),
        config=param(masking.masked(CHECKED)),
        given=param(masking.masked(GIVEN)),
        snakefile=param(SNAKEFILE),
        configs=param(CONFIGS),
        overlaid=param(OVERLAID),
    script:
        "../scripts/describe_run.py"
