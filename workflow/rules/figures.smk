# Scores of runs -> a figure's table -> the figure.


rule tabulate_figure:
    """Gather the numbers that a figure shows."""
    input:
        cross_gene=figure_scores("cross_gene"),
        cross_celltype=figure_scores("cross_celltype"),
        thesis=config["thesis_values"],
        code=code("tabulate_figure.py"),
    output:
        "<results>/figures/{figure}.tsv",
    log:
        "<logs>/tabulate_figure/{figure}.log",
    benchmark:
        "<benchmarks>/tabulate_figure/{figure}.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        figure="{figure}",
        runs=lambda wildcards: as_json(
            [
                run
                | {
                    "x": SOURCES[run["source"]]["label"],
                    "series": settings.loss_label(config["losses"][run["loss"]]),
                }
                for run in figure_runs(wildcards.figure)
            ]
        ),
        compare_with_thesis=config["compare_with_thesis"],
    script:
        "../scripts/tabulate_figure.py"


rule draw_figure:
    """Draw a figure from its table."""
    input:
        table="<results>/figures/{figure}.tsv",
        code=code("draw_figure.py"),
    output:
        pdf=report(
            "<results>/figures/{figure}.pdf",
            caption="../report/figure.rst",
            category="Figures",
        ),
        png="<results>/figures/{figure}.png",
    log:
        "<logs>/draw_figure/{figure}.log",
    benchmark:
        "<benchmarks>/draw_figure/{figure}.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        figure="{figure}",
    script:
        "../scripts/draw_figure.py"
