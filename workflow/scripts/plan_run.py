"""The table of rates in; what the run takes out, as a page, and in a few lines on the console."""

from chrom2expr.job import job, tell

with job(snakemake) as call:
    from chrom2expr.planning import bill, jobs

    params = call.params
    planned = jobs.planned(params.snakefile, params.configs, params.overlaid, [], params.cores)
    found = bill.draw_up(params.config, planned, call.input.rates, params.cores, params.gpus)
    bill.write(call.output[0], found)
    tell("\n".join(bill.summary(found)))
