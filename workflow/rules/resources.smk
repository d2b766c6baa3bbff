# Files from elsewhere: downloaded once and verified, or used where they lie.


rule download:
    """Fetch one resource, unpack it, and check its SHA-256."""
    output:
        "<resources>/{resource}/{file}",
    log:
        "<logs>/download/{resource}/{file}.log",
    benchmark:
        "<benchmarks>/download/{resource}/{file}.tsv"
    wildcard_constraints:
        resource=one_of(resources.downloads(config["resources"])),
        file=r"[^/]+",
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=240,
    # No `code`: what is fetched is what the address has, and is not fetched again for an edit.
    params:
        source=param(
            lambda wildcards: resources.download_source(
                config["resources"][wildcards.resource], wildcards.file
            )
        ),
    script:
        "../scripts/download.py"
