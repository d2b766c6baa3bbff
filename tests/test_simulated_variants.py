"""Variants of the simulated genome: what the files say, and effects recomputed from the changed sequence itself."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest

from chrom2expr.errors import InputError
from chrom2expr.genome.windows import decode, encode, reverse_complement
from chrom2expr.simulation import genome, variants
from test_simulate import SETTINGS, read_fasta

GENES = {"chr1": 12, "chr8": 6}
LENGTH = SETTINGS.motif_length


@pytest.fixture(scope="module")
def simulation() -> genome.Simulation:
    return genome.simulate(SETTINGS, 1)


@pytest.fixture(scope="module")
def planted(simulation) -> list[variants.Planted]:
    return variants.plant(simulation, GENES)


@pytest.fixture(scope="module")
def files(simulation, planted, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("variants")
    genome.write_fasta(folder / "grch37.fa", simulation.grch37)
    variants.write_vcf(folder / "variants.vcf", simulation, planted)
    variants.write_truth(folder / "effects.tsv", simulation, planted)
    return folder


def test_the_vcf_reads_and_its_ref_is_the_fastas(simulation, planted, files):
    contigs = read_fasta(files / "grch37.fa")
    with pysam.VariantFile(str(files / "variants.vcf")) as vcf:
        assert {name: contig.length for name, contig in vcf.header.contigs.items()} == {
            name: len(sequence) for name, sequence in contigs.items()
        }
        records = list(vcf)
    assert {record.id for record in records} == {one.id for one in planted} and len(records) == 4 * 18
    for record in records:
        assert contigs[record.chrom][record.start : record.stop] == record.ref != record.alts[0]
        kind = record.id.split("_")[1]
        lengths = {"deleted": (LENGTH + 1, 1), "created": (1, LENGTH + 1)}.get(kind, (1, 1))
        assert (len(record.ref), len(record.alts[0])) == lengths
    places = [(record.rid, record.start) for record in records]
    assert places == sorted(places)
    for record in records:  # and GRCh38 has it too, from where it lifts to
        start = simulation.lift(record.chrom, np.array([record.start]))[0]
        assert decode(simulation.grch38[record.chrom][start : start + len(record.ref)]) == record.ref


def test_each_gene_has_one_variant_of_each_kind(simulation, planted):
    assert Counter(one.kind for one in planted) == dict.fromkeys(variants.KINDS, 18)
    chosen = simulation.genes.loc[sorted({one.gene for one in planted})]
    assert Counter(chosen.chrom) == GENES and not (chosen.type == "rRNA").any()
    for one in simulation.genes.loc[chosen.index].itertuples():
        assert simulation.lift(one.chrom, np.array([one.tss]))[0] >= 0


def alternative_sites(simulation, one):
    """The gene's sites in the changed sequence, base by base: motif, distance from the TSS, mismatches."""
    gene, sites = simulation.genes.loc[one.gene], simulation.sites[simulation.sites.gene == one.gene]
    places = [gene.tss, one.start, *sites.start]
    first, last = min(places), max(places) + LENGTH + len(one.ref)
    changed = [*enumerate(decode(simulation.grch37[one.chrom][first:last]), first)]
    place = slice(one.start - first, one.start - first + len(one.ref))
    assert "".join(base for _, base in changed[place]) == one.ref
    inside = [one.start] if len(one.ref) == len(one.alt) else [None] * len(one.alt)
    changed[place] = zip(inside, one.alt)
    origins, bases = zip(*changed)
    text, where = "".join(bases), {origin: at for at, origin in enumerate(origins) if origin is not None}
    tss = where[gene.tss]

    def distance(start):
        return start - tss if gene.strand == "+" else tss - (start + LENGTH - 1)

    consensus = simulation.motifs.consensus
    found = []
    for site in sites.itertuples():
        if site.start not in where:
            continue
        here = encode(text[where[site.start] : where[site.start] + LENGTH])
        motif = encode(consensus[site.motif])
        mismatches = min((here != strand).sum() for strand in (motif, reverse_complement(motif)))
        found.append((site.motif, distance(where[site.start]), mismatches))
    if one.kind == "created":
        both = {one.alt, decode(reverse_complement(encode(one.alt)))}
        (motif,) = (number for number, word in enumerate(consensus) if word in both)
        found.append((motif, distance(place.start), 0))
    return found


def slow_expression(simulation, by_gene):
    """Baseline and tissue parts (before they are scaled) of genes' sites, one number at a time."""
    motifs = simulation.motifs
    regulators = [number for number, role in enumerate(motifs.role) if role == "regulator"]
    by_motif = {}
    for number, motif in enumerate(regulators):
        active = simulation.lineage @ simulation.activity[number]
        by_motif[motif] = active - active.mean()
    baseline, tissue = [], []
    for sites in by_gene:
        core, raised = 0.0, np.zeros(SETTINGS.tissues)
        for motif, distance, mismatches in sites:
            strength = max(0, 1 - 0.3 * mismatches)
            core += strength * motifs.baseline[motif]
            if motif in regulators:
                near = min(1, np.exp((400 - abs(distance)) / SETTINGS.enhancer_decay))
                raised += strength * near * by_motif[motif]
        baseline.append(core)
        tissue.append(raised)
    return np.array(baseline), np.array(tissue)


def test_effects_are_those_of_the_changed_sequence(simulation, planted):
    own = [[] for _ in range(len(simulation.genes))]
    for site in simulation.sites.itertuples():
        own[site.gene].append((site.motif, site.distance, round((1 - site.strength) / 0.3)))
    baseline, tissue = slow_expression(simulation, own)
    spread = (tissue - tissue.mean(axis=0)).std()
    for one in planted:
        (changed,), (raised,) = slow_expression(simulation, [alternative_sites(simulation, one)])
        effect = SETTINGS.baseline_sd * (changed - baseline[one.gene]) / baseline.std()
        effect = effect + SETTINGS.tissue_sd * (raised - tissue[one.gene]) / spread
        np.testing.assert_allclose(one.effect, effect, atol=1e-9, err_msg=one.id)


def test_controls_do_nothing_and_the_others_something(planted):
    for one in planted:
        assert (one.effect == 0).all() if one.kind == "control" else np.abs(one.effect).max() > 1e-3, one.id
    by_kind = {kind: [one.effect for one in planted if one.kind == kind] for kind in variants.KINDS}
    # A site that is gone is a copy that was never made, but for what the site lacked, and what moves the other way.
    np.testing.assert_allclose(by_kind["deleted"], -np.array(by_kind["created"]), atol=0.4)
    assert (np.abs(by_kind["deleted"]) >= np.abs(by_kind["weakened"]) - 0.05).all()


def test_the_truth_lists_every_variant_in_every_tissue(simulation, planted, files):
    table = pd.read_csv(files / "effects.tsv", sep="\t")
    assert list(table) == ["variant_id", "gene_id", "kind", "tissue", "effect"]
    assert list(table.tissue.unique()) == list(pd.read_csv(write_expression(simulation, files), index_col=0))
    for one in planted:
        rows = table[table.variant_id == one.id]
        assert set(rows.gene_id) == {simulation.genes.id[one.gene]} and set(rows.kind) == {one.kind}
        np.testing.assert_allclose(rows.effect, one.effect, atol=1e-6)


def write_expression(simulation, folder):
    genome.write_expression(folder / "exp.csv", simulation)
    return folder / "exp.csv"


def test_the_same_seed_gives_the_same_variants(simulation, planted):
    again = variants.plant(simulation, GENES)
    assert [one[:-1] for one in again] == [one[:-1] for one in planted]


def test_too_many_genes_are_refused(simulation):
    with pytest.raises(InputError, match=r"simulation.variants.chrX: 99 genes, but only [0-4] have a site"):
        variants.plant(simulation, {"chrX": 99})
