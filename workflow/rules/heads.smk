# Feature store and targets -> a fitted head, its predictions and their scores. A run is source/inputs/head/loss.


rule fit_head:
    """Train a head over its whole grid, keep the best point, and predict the validation and test genes."""
    input:
        features=head_features,
        shards=head_shards,
        split=split_of,
        expression="<results>/genes/expression.h5",
        models=head_models,
    output:
        model=f"<results>/models/{RUN}/model.pt",
        grid=f"<results>/models/{RUN}/grid.tsv",
        predictions=f"<results>/models/{RUN}/predictions.h5",
        summary=f"<results>/models/{RUN}/summary.json",
    log:
        f"<logs>/fit_head/{RUN}.log",
    benchmark:
        f"<benchmarks>/fit_head/{RUN}.tsv"
    wildcard_constraints:
        source=one_of(FITTED),
        head=one_of(OTHER_HEADS),
    conda:
        MODEL_ENVIRONMENT
    threads: config["threads"]["fit_head"]
    resources:
        mem_mb=setting("heads", "mem_mb"),
        runtime=setting("heads", "runtime"),
        gpu=setting("heads", "devices"),
        allow_cpu=ALLOW_CPU,
    params:
        code=lambda wildcards: code("fit_head.py", *fitted_classes(wildcards)),
        type=param(setting("heads", "type")),
        tracks=param(setting("inputs", "tracks")),
        bins=param(setting("inputs", "bins")),
        features=param(setting("heads", "features")),
        orientation=param(setting("inputs", "orientation")),
        loss=param(loss_of),
        settings=param(setting("heads", "settings")),
        grid=param(setting("heads", "grid")),
        batch_size=param(setting("heads", "batch_size")),
        max_epochs=param(setting("heads", "max_epochs")),
        patience=param(setting("heads", "patience")),
        select_by=param(setting("heads", "select_by")),
        seed=param(config["seed"]),
        job=param(lambda wildcards: int(wildcards.get("job", 0))),
        jobs=param(setting("heads", "jobs")),
        devices=param(setting("heads", "devices")),
    script:
        "../scripts/fit_head.py"


use rule fit_head as fit_tissues with:
    # Some of the tissues of a head that asks for several jobs.
    output:
        model=f"<results>/models/{RUN}/jobs/{{job}}/model.pt",
        grid=f"<results>/models/{RUN}/jobs/{{job}}/grid.tsv",
        predictions=f"<results>/models/{RUN}/jobs/{{job}}/predictions.h5",
        summary=f"<results>/models/{RUN}/jobs/{{job}}/summary.json",
    log:
        f"<logs>/fit_tissues/{RUN}/{{job}}.log",
    benchmark:
        f"<benchmarks>/fit_tissues/{RUN}/{{job}}.tsv"
    wildcard_constraints:
        source=one_of(FITTED),
        head=one_of(SPLIT_HEADS),


rule join_tissues:
    """Join what the jobs of a run left, each of some tissues, into one run."""
    input:
        models=of_tissue_jobs("model.pt"),
        grids=of_tissue_jobs("grid.tsv"),
        predictions=of_tissue_jobs("predictions.h5"),
        summaries=of_tissue_jobs("summary.json"),
    output:
        model=f"<results>/models/{RUN}/model.pt",
        grid=f"<results>/models/{RUN}/grid.tsv",
        predictions=f"<results>/models/{RUN}/predictions.h5",
        summary=f"<results>/models/{RUN}/summary.json",
    log:
        f"<logs>/join_tissues/{RUN}.log",
    benchmark:
        f"<benchmarks>/join_tissues/{RUN}.tsv"
    wildcard_constraints:
        source=one_of(FITTED),
        head=one_of(SPLIT_HEADS),
    conda:
        MODEL_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=8000,
        runtime=30,
    params:
        code=lambda wildcards: code("join_tissues.py", *head_classes(wildcards)),
        type=param(setting("heads", "type")),
    script:
        "../scripts/join_tissues.py"


rule join_folds:
    """Join what the heads fitted to each fold predict of their test genes, so that they are scored together."""
    input:
        predictions=fold_predictions,
    output:
        predictions=f"<results>/models/{RUN}/predictions.h5",
        summary=f"<results>/models/{RUN}/summary.json",
    log:
        f"<logs>/join_folds/{RUN}.log",
    benchmark:
        f"<benchmarks>/join_folds/{RUN}.tsv"
    wildcard_constraints:
        source=one_of(FOLDED),
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("join_folds.py"),
        runs=param(fold_runs),
    script:
        "../scripts/join_folds.py"


rule evaluate_run:
    """Score a run's test genes by every metric."""
    input:
        predictions=f"<results>/models/{RUN}/predictions.h5",
    output:
        scores=expand(
            f"<results>/models/{RUN}/{{metric}}.tsv", metric=sorted(config["metrics"]), allow_missing=True
        ),
        bootstrap=f"<results>/models/{RUN}/bootstrap.h5",
    log:
        f"<logs>/evaluate_run/{RUN}.log",
    benchmark:
        f"<benchmarks>/evaluate_run/{RUN}.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("evaluate_run.py", *metric_classes()),
        metrics=param(METRICS),
        resamples=param(config["bootstrap_resamples"]),
        seed=param(config["seed"]),
    script:
        "../scripts/evaluate_run.py"


rule evaluate_baseline:
    """Score the baseline of a split: every gene is predicted the training genes' mean in each tissue."""
    input:
        splits=splits_of,
        expression="<results>/genes/expression.h5",
    output:
        scores=expand(
            "<results>/models/baseline/{split}/{metric}.tsv",
            metric=sorted(config["metrics"]),
            allow_missing=True,
        ),
        bootstrap="<results>/models/baseline/{split}/bootstrap.h5",
    log:
        "<logs>/evaluate_baseline/{split}.log",
    benchmark:
        "<benchmarks>/evaluate_baseline/{split}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("evaluate_baseline.py", *metric_classes()),
        metrics=param(METRICS),
        resamples=param(config["bootstrap_resamples"]),
        seed=param(config["seed"]),
    script:
        "../scripts/evaluate_baseline.py"
