"""The effects of variants on the genes of each shard in; all of them, and the strongest of each pair, out."""

from chrom2expr.job import job, tell

with job(snakemake) as call:
    from chrom2expr.application import effect_files

    given, made = call.input, call.output
    if not effect_files.join(given.shards, made.table, made.strongest):
        tell(f"Warning: {made.table}: no variant lies in the window of a gene, so there are no effects")
