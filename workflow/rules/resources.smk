# Files from elsewhere: downloaded once and verified, or used where they lie.


rule download:
    """Fetch one file of a resource, unpack it, and check its SHA-256."""
    output:
        "<resources>/{resource}/{file}",
    log:
        "<logs>/download/{resource}/{file}.log",
    benchmark:
        "<benchmarks>/download/{resource}/{file}.tsv"
    wildcard_constraints:
        resource=one_of(resources.downloads(config["resources"])),
        file=r"[^/]+",
    priority: 1  # bigWigs are binned, and dropped, only once this is done
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=240,
        # As resources, and without `code`: only another file is fetched again.
        addresses=lambda wildcards: json.dumps(download_plan(wildcards)[0]),
        sha256=lambda wildcards: download_plan(wildcards)[1] or "",
    params:
        source=param(download_source),
    script:
        "../scripts/download.py"
