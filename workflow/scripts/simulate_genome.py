"""Door of rule simulate_genome: a small genome with planted grammar, in the formats of the real resources."""


from chrom2expr.job import job

with job(snakemake) as call:
    from chrom2expr.simulation import genome

    simulation = genome.simulate(genome.Settings(**call.params.simulation), call.params.seed)
    enformer, beluga = genome.enformer_tracks(simulation), genome.beluga_tracks(simulation)
    print(f"{len(simulation.genes):,} genes, {len(simulation.sites):,} motif sites")
    print(f"{len(enformer)} tracks for Enformer, {len(beluga)} for Beluga")
    output = call.output
    genome.write_fasta(output.grch37, simulation.grch37)
    genome.write_fasta(output.grch38, simulation.grch38)
    genome.write_chain(output.chain, simulation)
    genome.write_annotation(output.annotation, simulation.genes)
    genome.write_expression(output.expression, simulation)
    genome.write_enformer_table(output.enformer_tracks, enformer)
    genome.write_beluga_table(output.beluga_tracks, beluga)
    genome.write_motifs(output.motifs, simulation.motifs)
    genome.write_bigwigs(output.bigwigs_enformer, simulation, enformer, "grch38")
    genome.write_bigwigs(output.bigwigs_beluga, simulation, beluga, "grch37")
