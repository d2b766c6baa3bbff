# Scores of runs -> a figure's table -> the figure.

# What figure 2.1 shows of every backbone.
OVERVIEW = runs.overview(config, "fig2_1") if "fig2_1" in config["figures"] else []


rule tabulate_figure:
    """Gather the numbers that a figure shows, and compare its runs in pairs."""
    input:
        cross_gene=figure_scores("cross_gene.tsv"),
        cross_celltype=figure_scores("cross_celltype.tsv"),
        bootstrap=figure_scores("bootstrap.h5"),
        thesis=config["thesis_values"],
        code=code("tabulate_figure.py"),
    output:
        table="<results>/figures/{figure}.tsv",
        pairs="<results>/figures/{figure}.pairs.tsv",
    log:
        "<logs>/tabulate_figure/{figure}.log",
    benchmark:
        "<benchmarks>/tabulate_figure/{figure}.tsv"
    wildcard_constraints:
        figure=one_of(CHARTS),
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        figure=param(lambda wildcards: wildcards.figure),
        runs=param(lambda wildcards: runs.figure_entries(config, wildcards.figure)),
        compare_with_thesis=param(config["compare_with_thesis"]),
    script:
        "../scripts/tabulate_figure.py"


rule tabulate_overview:
    """Gather what figure 2.1 shows: the sources, tracks and heads of its runs."""
    input:
        tracks=[resource(config["backbones"][row["name"]]["tracks"]) for row in OVERVIEW],
        features=[f"<results>/features/{source}.h5" for row in OVERVIEW for source in row["measured"]],
        shards=[shard for row in OVERVIEW for source in row["measured"] for shard in shards_of(source)],
        expression="<results>/genes/expression.h5",
        code=code("tabulate_overview.py"),
    output:
        "<results>/figures/fig2_1.tsv",
    log:
        "<logs>/tabulate_figure/fig2_1.log",
    benchmark:
        "<benchmarks>/tabulate_figure/fig2_1.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        figure=param("fig2_1"),
        backbones=param(OVERVIEW),
        heads=param(
            list(dict.fromkeys(config["heads"][run["head"]]["label"] for run in figure_runs("fig2_1")))
        ),
    script:
        "../scripts/tabulate_overview.py"


rule tabulate_network:
    """List the layers of the network that figure 2.2 shows."""
    input:
        model=[f"<results>/models/{run['run']}/model.pt" for run in figure_runs("fig2_2")],
        code=code("tabulate_network.py"),
    output:
        "<results>/figures/fig2_2.tsv",
    log:
        "<logs>/tabulate_figure/fig2_2.log",
    benchmark:
        "<benchmarks>/tabulate_figure/fig2_2.tsv"
    conda:
        "../envs/model.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        figure=param("fig2_2"),
    script:
        "../scripts/tabulate_network.py"


rule tabulate_variation:
    """Tabulate how much expression varies across cell types and across genes."""
    input:
        expression="<results>/genes/expression.h5",
        thesis=config["thesis_values"],
        code=code("tabulate_variation.py"),
    output:
        "<results>/genes/variation.tsv",
    log:
        "<logs>/tabulate_variation.log",
    benchmark:
        "<benchmarks>/tabulate_variation.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        compare_with_thesis=param(config["compare_with_thesis"]),
    script:
        "../scripts/tabulate_variation.py"


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
        figure=param(lambda wildcards: wildcards.figure),
    script:
        "../scripts/draw_figure.py"
