# What the kinds of figures take of runs (scores, attention, models, sources, variants) -> a figure's table -> the figure.


rule tabulate_scores:
    """Gather the scores of a figure's runs, and compare the runs in pairs."""
    input:
        scores=figure_scores(*(f"{metric['name']}.tsv" for metric in METRICS)),
        bootstrap=figure_scores("bootstrap.h5"),
        audits=figure_audits,
        predictions=lambda wildcards: [
            f"<results>/models/{run['run']}/predictions.h5" for run in figure_models(wildcards)
        ],
        thesis=thesis_values(),
    output:
        table="<results>/figures/{figure}.tsv",
        pairs="<results>/figures/{figure}.pairs.tsv",
    log:
        "<logs>/tabulate_scores/{figure}.log",
    benchmark:
        "<benchmarks>/tabulate_scores/{figure}.tsv"
    wildcard_constraints:
        figure=one_of(figures_of("scores")),
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=tabulating("tabulate_scores.py", *metric_classes()),
        figure=param(lambda wildcards: wildcards.figure),
        kind=param(setting("figures", "kind")),
        settings=param(figure_settings),
        metrics=param(METRICS),
        runs=param(lambda wildcards: runs.figure_entries(config, wildcards.figure)),
        sources=param(
            lambda wildcards: [audited.summarised(config, source) for source in audited_sources(wildcards)]
        ),
        shared=param(config["leakage"]["shared"]),
        compare_with_thesis=param(config["compare_with_thesis"]),
    script:
        "../scripts/tabulate_scores.py"


rule tabulate_attention:
    """Gather what the TSS attends to in a figure's models."""
    input:
        attention=attention_files,
    output:
        table="<results>/figures/{figure}.tsv",
    log:
        "<logs>/tabulate_attention/{figure}.log",
    benchmark:
        "<benchmarks>/tabulate_attention/{figure}.tsv"
    wildcard_constraints:
        figure=one_of(figures_of("attention")),
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=tabulating("tabulate_attention.py"),
        figure=param(lambda wildcards: wildcards.figure),
        kind=param(setting("figures", "kind")),
        settings=param(figure_settings),
        models=param(lambda wildcards: runs.attention_models(config, wildcards.figure)),
    script:
        "../scripts/tabulate_attention.py"


rule tabulate_models:
    """Look into the fitted models of a figure's runs."""
    input:
        models=lambda wildcards: [
            f"<results>/models/{run['run']}/model.pt" for run in figure_models(wildcards)
        ],
    output:
        table="<results>/figures/{figure}.tsv",
    log:
        "<logs>/tabulate_models/{figure}.log",
    benchmark:
        "<benchmarks>/tabulate_models/{figure}.tsv"
    wildcard_constraints:
        figure=one_of(figures_of("models")),
    conda:
        MODEL_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=tabulating("tabulate_models.py", heads=True),
        figure=param(lambda wildcards: wildcards.figure),
        kind=param(setting("figures", "kind")),
        settings=param(figure_settings),
        runs=param(figure_models),
    script:
        "../scripts/tabulate_models.py"


rule tabulate_sources:
    """Gather what heads are given of the sources of a figure's runs."""
    input:
        tracks=figure_sources("tracks"),
        features=figure_sources("features"),
        shards=figure_sources("shards"),
        expression="<results>/genes/expression.h5",
    output:
        table="<results>/figures/{figure}.tsv",
    log:
        "<logs>/tabulate_sources/{figure}.log",
    benchmark:
        "<benchmarks>/tabulate_sources/{figure}.tsv"
    wildcard_constraints:
        figure=one_of(figures_of("sources")),
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=tabulating("tabulate_sources.py"),
        figure=param(lambda wildcards: wildcards.figure),
        kind=param(setting("figures", "kind")),
        settings=param(figure_settings),
        backbones=param(lambda wildcards: runs.overview(config, wildcards.figure)),
        heads=param(figure_heads),
    script:
        "../scripts/tabulate_sources.py"


rule tabulate_variants:
    """Gather the effects of variants by a figure's runs, and the true ones if there are any."""
    input:
        effects=figure_effects(".parquet"),
        agreements=figure_effects(".truth.tsv"),
        truth=lambda wildcards: own_table(VARIANTS[setting("figures", "variants")(wildcards)], "truth"),
    output:
        table="<results>/figures/{figure}.tsv",
    log:
        "<logs>/tabulate_variants/{figure}.log",
    benchmark:
        "<benchmarks>/tabulate_variants/{figure}.tsv"
    wildcard_constraints:
        figure=one_of(figures_of("variants")),
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        code=tabulating("tabulate_variants.py"),
        figure=param(lambda wildcards: wildcards.figure),
        kind=param(setting("figures", "kind")),
        settings=param(figure_settings),
        runs=param(
            lambda wildcards: [
                {key: run[key] for key in ("series", "run")}
                for run in runs.figure_runs(config, wildcards.figure)
            ]
        ),
    script:
        "../scripts/tabulate_variants.py"


rule tabulate_variation:
    """Tabulate how much expression varies across cell types and across genes."""
    input:
        expression="<results>/genes/expression.h5",
        thesis=thesis_values(),
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
        code=code("tabulate_variation.py"),
        compare_with_thesis=param(config["compare_with_thesis"]),
    script:
        "../scripts/tabulate_variation.py"


rule tabulate_reproduction:
    """Set the thesis's numbers and statements beside ours, as a table and as a page."""
    input:
        thesis=thesis_values(),
        statements=thesis_statements(),
        scores=reproduced(
            lambda plan: [
                f"<results>/models/{run}/{metric['name']}.tsv" for run in plan["runs"] for metric in METRICS
            ]
        ),
        bootstrap=reproduced(lambda plan: [f"<results>/models/{run}/bootstrap.h5" for run in plan["runs"]]),
        attention=reproduced(lambda plan: [attention_file(model) for model in plan["attention"]]),
        expression=reproduced(lambda plan: "<results>/genes/expression.h5"),
        tss=reproduced(lambda plan: "<results>/genes/tss.tsv"),
        dropped=reproduced(lambda plan: "<results>/genes/dropped.tsv"),
        splits=reproduced(lambda plan: [f"<results>/genes/splits/{split}.tsv" for split in plan["splits"]]),
        tracks=reproduced(
            lambda plan: [resource(config["backbones"][name]["tracks"]) for name in plan["tracks"]]
        ),
        features=reproduced(lambda plan: [f"<results>/features/{source}.h5" for source in plan["measured"]]),
    output:
        table="<results>/tables/reproduction.tsv",
        page=report(
            "<results>/tables/reproduction.html",
            caption="../report/reproduction.rst",
            category="Tables",
            labels={"table": "Reproduction of the thesis"},
        ),
    log:
        "<logs>/tabulate_reproduction.log",
    benchmark:
        "<benchmarks>/tabulate_reproduction.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        code=code("tabulate_reproduction.py", *metric_classes()),
        metrics=param(METRICS),
        plan=param(lambda wildcards: reproduction_plan()),
        resamples=param(config["bootstrap_resamples"]),
        seed=param(config["seed"]),
        compare_with_thesis=param(config["compare_with_thesis"]),
    script:
        "../scripts/tabulate_reproduction.py"


rule draw_figure:
    """Draw a figure from its table."""
    input:
        table="<results>/figures/{figure}.tsv",
    output:
        pdf=report(
            "<results>/figures/{figure}.pdf",
            caption="../report/figure.rst",
            category="Figures as PDF",
            labels=figure_labels,
        ),
        # Browsers show it wherever the report is opened.
        png=report(
            "<results>/figures/{figure}.png",
            caption="../report/figure.rst",
            category="Figures",
            labels=figure_labels,
        ),
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
        code=lambda wildcards: code(
            "draw_figure.py",
            *classes(("figures", setting("figures", "kind")(wildcards))),
            without=("tabulate",),
        ),
        figure=param(lambda wildcards: wildcards.figure),
        kind=param(setting("figures", "kind")),
        settings=param(figure_settings),
    script:
        "../scripts/draw_figure.py"
