"""A small genome with planted grammar out, in the formats of the real resources."""

from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.simulation import genome, variants

    made, params = call.output, call.params
    simulation = genome.simulate(genome.Settings(**params.simulation), params.seed)
    enformer, beluga = genome.enformer_tracks(simulation), genome.beluga_tracks(simulation)
    print(f"{len(simulation.genes):,} genes, {len(simulation.sites):,} motif sites")
    planted = variants.plant(simulation, params.variants)
    print(f"{len(planted)} variants")
    print(f"{len(enformer)} tracks for Enformer, {len(beluga)} for Beluga")
    genome.write_fasta(made.grch37, simulation.grch37)
    genome.write_fasta(made.grch38, simulation.grch38)
    genome.write_chain(made.chain, simulation)
    genome.write_annotation(made.annotation, simulation.genes)
    genome.write_expression(made.expression, simulation)
    genome.write_enformer_table(made.enformer_tracks, enformer)
    genome.write_beluga_table(made.beluga_tracks, beluga)
    genome.write_motifs(made.motifs, simulation.motifs)
    genome.write_bigwigs(made.bigwigs_enformer, simulation, enformer, "grch38")
    genome.write_bigwigs(made.bigwigs_beluga, simulation, beluga, "grch37")
    variants.write_vcf(made.variants, simulation, planted)
    variants.write_truth(made.effects, simulation, planted)
