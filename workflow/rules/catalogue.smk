# Track tables -> which bigWig measures each track, of every measured source.


rule tabulate_catalogue:
    """Tabulate which bigWig measures each track, by the config's templates and overrides, and where none does, why."""
    input:
        tracks=catalogued(track_table),
        overrides=[table for table in catalogued(overrides) if table],
    output:
        table="<results>/tables/catalogue.tsv",
        page=report(
            "<results>/tables/catalogue.html",
            caption="../report/catalogue.rst",
            category="Tables",
            labels={"table": "Catalogue of tracks"},
        ),
    log:
        "<logs>/tabulate_catalogue.log",
    benchmark:
        "<benchmarks>/tabulate_catalogue.tsv"
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        thesis=found_by_the_thesis,  # as a resource: it is for the console alone
    params:
        code=code("tabulate_catalogue.py"),
        sources=param(masking.masked(catalogued(catalogued_source))),
    script:
        "../scripts/tabulate_catalogue.py"
