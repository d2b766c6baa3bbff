"""Door of rule simulate_genome: a small genome with planted grammar, in the formats of the real resources."""


from chrom2expr.door import job

with job(snakemake) as call:
    from chrom2expr import simulate

    simulation = simulate.simulate(simulate.Settings(**call.params.simulation), call.params.seed)
    enformer, beluga = simulate.enformer_tracks(simulation), simulate.beluga_tracks(simulation)
    print(f"{len(simulation.genes):,} genes, {len(simulation.sites):,} motif sites")
    print(f"{len(enformer)} tracks for Enformer, {len(beluga)} for Beluga")
    output = call.output
    simulate.write_fasta(output.grch37, simulation.grch37)
    simulate.write_fasta(output.grch38, simulation.grch38)
    simulate.write_chain(output.chain, simulation)
    simulate.write_annotation(output.annotation, simulation.genes)
    simulate.write_expression(output.expression, simulation)
    simulate.write_enformer_table(output.enformer_tracks, enformer)
    simulate.write_beluga_table(output.beluga_tracks, beluga)
    simulate.write_motifs(output.motifs, simulation.motifs)
    simulate.write_bigwigs(output.bigwigs_enformer, simulation, enformer, "grch38")
    simulate.write_bigwigs(output.bigwigs_beluga, simulation, beluga, "grch37")
