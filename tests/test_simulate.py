"""The simulated genome: true formats, a true chain, and a signal that is where it was planted and nowhere else."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyBigWig
import pytest
import torch
from pyliftover import LiftOver
from scipy.stats import spearmanr

from checked_files import write_checked
from chrom2expr.backbones import enformer
from chrom2expr.errors import InputError
from chrom2expr.genome import windows
from chrom2expr.genome.sequence_store import FORMAT
from chrom2expr.simulation import backbones, genome
from chrom2expr.tracks.store_writer import ShardWriter

SETTINGS = genome.Settings(
    genes={"chr1": 50, "chr8": 30, "chrX": 4},
    gene_spacing=9000,
    edit_spacing=2000,
    longest_edit=50,
    unliftable=3,
    rrna=2,
    tissues=10,
    lineages=4,
    beluga_lineages=3,
    core_motifs=4,
    regulators=4,
    motif_length=12,
    mutation=0.04,
    enhancers=3,
    enhancer_distance=(800, 3000),
    enhancer_decay=4000,
    baseline_sd=2.0,
    tissue_sd=0.6,
    gene_noise_sd=0.5,
    noise_sd=0.3,
    missing=0.05,
    track_noise=0.3,
    resolution=64,
)


def write(folder: Path, seed: int) -> genome.Simulation:
    simulation = genome.simulate(SETTINGS, seed)
    enformer_tracks, beluga_tracks = genome.enformer_tracks(simulation), genome.beluga_tracks(simulation)
    genome.write_fasta(folder / "grch37.fa", simulation.grch37)
    genome.write_fasta(folder / "grch38.fa", simulation.grch38)
    genome.write_chain(folder / "over.chain.gz", simulation)
    genome.write_annotation(folder / "geneanno.csv", simulation.genes)
    genome.write_expression(folder / "exp.csv", simulation)
    genome.write_enformer_table(folder / "enformer.txt", enformer_tracks)
    genome.write_beluga_table(folder / "beluga.tsv", beluga_tracks)
    genome.write_motifs(folder / "motifs.tsv", simulation.motifs)
    genome.write_bigwigs(folder / "enformer", simulation, enformer_tracks, "grch38")
    genome.write_bigwigs(folder / "beluga", simulation, beluga_tracks, "grch37")
    return simulation


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> tuple[genome.Simulation, Path]:
    folder = tmp_path_factory.mktemp("simulated")
    return write(folder, 1), folder


def read_fasta(path: Path) -> dict[str, str]:
    entries = path.read_text().split(">")[1:]
    return {entry.split("\n", 1)[0]: entry.split("\n", 1)[1].replace("\n", "") for entry in entries}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_same_seed_same_bytes_other_seed_other_bytes(simulated, tmp_path):
    first = contents(simulated[1])
    write(tmp_path / "again", 1)
    assert contents(tmp_path / "again") == first
    write(tmp_path / "other", 2)
    other = contents(tmp_path / "other")
    assert other.keys() == first.keys()
    same = {name for name in first if first[name] == other[name]}
    assert same == {"enformer.txt", "beluga.tsv"}  # they name the tracks and hold no random number


def test_the_chain_is_true(simulated):
    simulation, folder = simulated
    old, new = read_fasta(folder / "grch37.fa"), read_fasta(folder / "grch38.fa")
    assert {name: len(sequence) for name, sequence in old.items()} != {name: len(s) for name, s in new.items()}
    lift = LiftOver(gzip.open(folder / "over.chain.gz"))
    lost = moved = 0
    for gene in simulation.genes.itertuples():
        lifted = lift.convert_coordinate(gene.chrom, gene.tss, gene.strand)
        expected = simulation.lift(gene.chrom, np.array([gene.tss]))[0]
        if not lifted:
            assert expected == -1
            lost += 1
            continue
        chrom, position, strand, _ = lifted[0]
        assert (chrom, position, strand) == (gene.chrom, expected, gene.strand)
        assert new[chrom][position - 40 : position + 40] == old[chrom][gene.tss - 40 : gene.tss + 40]
        moved += position != gene.tss
    assert lost == SETTINGS.unliftable
    assert moved > len(simulation.genes) / 2
    # Between the genes too: wherever a base lifts, it is the same base.
    rng = np.random.default_rng(0)
    for chrom, sequence in old.items():
        for position in rng.integers(len(sequence), size=200):
            lifted = lift.convert_coordinate(chrom, int(position), "+")
            assert simulation.lift(chrom, np.array([position]))[0] == (lifted[0][1] if lifted else -1)
            assert not lifted or new[chrom][lifted[0][1]] == sequence[position]


def test_formats_are_the_real_ones(simulated):
    from chrom2expr.genome import expression, genes
    from chrom2expr.tracks import track_tables

    simulation, folder = simulated
    annotation = genes.read_annotation(folder / "geneanno.csv")
    assert annotation.gene_id.tolist() == simulation.genes.id.tolist()
    assert annotation.tss.tolist() == (simulation.genes.tss + 1).tolist()
    assert (annotation.gene_type == "rRNA").sum() == SETTINGS.rrna
    matrix = expression.read_matrix(folder / "exp.csv", annotation, folder / "geneanno.csv")
    assert len(matrix.tissue) == SETTINGS.tissues
    table = pd.read_csv(folder / "exp.csv", index_col=0)
    assert table.index.tolist() == list(range(1, len(annotation) + 1))
    assert 0 < table.isna().to_numpy().mean() < 0.15
    for name, expected in [
        ("enformer.txt", genome.enformer_tracks(simulation)),
        ("beluga.tsv", genome.beluga_tracks(simulation)),
    ]:
        read = track_tables.read_tracks(folder / name)
        assert read.track_id.tolist() == [track.identifier for track in expected]
        assert (read.track_type == "cage").tolist() == [track.assay == "CAGE" for track in expected]
        for identifier in read.track_id:
            assert (folder / name.split(".")[0] / f"{identifier}.bw").is_file()


@pytest.mark.parametrize("name, file", [("enformer", "grch38.fa"), ("beluga", "grch37.fa")])
def test_bigwigs_have_the_contigs_of_their_assembly(simulated, name, file):
    folder = simulated[1]
    lengths = {contig: len(sequence) for contig, sequence in read_fasta(folder / file).items()}
    for path in (folder / name).iterdir():
        with pyBigWig.open(str(path)) as bigwig:
            assert bigwig.chroms() == lengths


@pytest.mark.parametrize("type_", ["enformer", "beluga"])
def test_peaks_stand_at_the_planted_motifs(simulated, type_):
    simulation, folder = simulated
    tracks = genome.enformer_tracks(simulation) if type_ == "enformer" else genome.beluga_tracks(simulation)
    track = next(track for track in tracks if track.assay == "DNase")
    seen = track.motif_height[simulation.sites.motif] * simulation.sites.strength > 1
    sites = simulation.sites[seen & (simulation.sites.chrom == "chr1")]
    positions = sites.start.to_numpy()
    positions = simulation.lift("chr1", positions) if type_ == "enformer" else positions
    with pyBigWig.open(str(folder / type_ / f"{track.identifier}.bw")) as bigwig:
        signal = np.nan_to_num(bigwig.values("chr1", 0, bigwig.chroms("chr1"), numpy=True))
    assert np.median(signal[positions]) > 1
    assert np.median(signal[positions]) > 10 * np.median(signal)
    assert np.median(np.roll(signal, 1500)[positions]) < 0.2  # away from where they were planted


def test_planted_sites_read_as_their_motifs(simulated):
    simulation, _ = simulated
    consensus = [windows.encode(motif) for motif in simulation.motifs.consensus]
    agreement = []
    for site in simulation.sites.itertuples():
        here = simulation.grch37[site.chrom][site.start : site.start + SETTINGS.motif_length]
        motif = consensus[site.motif]
        agreement.append(max(np.mean(here == motif), np.mean(windows.reverse_complement(here) == motif)))
    assert np.mean(agreement) == pytest.approx(1 - SETTINGS.mutation, abs=0.02)


def scores(simulation: genome.Simulation, log_expression: np.ndarray) -> tuple[float, float]:
    """Spearman of expression with core motif content across genes, and with lineages' regulators across tissues."""
    sites, motifs = simulation.sites, simulation.motifs
    genes = len(simulation.genes)
    core = np.bincount(sites.gene, motifs.baseline.to_numpy()[sites.motif], genes)
    counts = np.zeros((genes, len(motifs)))
    np.add.at(counts, (sites.gene, sites.motif), 1)
    regulators = counts[:, (motifs.role == "regulator").to_numpy()] @ simulation.activity @ simulation.lineage.T
    across = [
        spearmanr(a - b, c).statistic for a, b, c in zip(regulators, regulators.mean(0), log_expression) if a.std() > 0
    ]
    return spearmanr(core, log_expression.mean(1)).statistic, float(np.mean(across))


def test_expression_follows_the_motifs_and_not_when_shuffled(simulated):
    simulation, _ = simulated
    gene, tissue = scores(simulation, simulation.log_expression)
    assert gene > 0.7
    assert tissue > 0.3
    shuffled = np.random.default_rng(0).permutation(simulation.log_expression)
    gene, tissue = scores(simulation, shuffled)
    assert abs(gene) < 0.35
    assert abs(tissue) < 0.2


def test_a_gene_stands_near_a_contigs_end_and_noise_is_what_the_settings_say(simulated):
    simulation, _ = simulated
    assert (simulation.genes.tss < SETTINGS.gene_spacing // 4).any()
    noisier = genome.simulate(replace(SETTINGS, gene_noise_sd=3.0), 1)
    assert scores(noisier, noisier.log_expression)[0] < scores(simulation, simulation.log_expression)[0]


# --- the small backbones -------------------------------------------------------------------------------------------


def test_filters_start_at_both_strands_of_the_motifs():
    motif = windows.encode("ACCTGA")
    weight = torch.zeros(3, 4, 9)
    backbones.start_at_motifs(weight, [motif], windows.BASES)
    for filter_, strand in zip(weight, [motif, windows.reverse_complement(motif)]):
        assert filter_.argmax(0)[1:7].tolist() == strand.tolist()
    assert not weight[2].any()
    short = torch.zeros(2, 4, 4)
    backbones.start_at_motifs(short, [motif], "AGCT")
    assert ["AGCT"[base] for base in short[0].argmax(0)] == list("CCTG")


GEOMETRIES = {
    "enformer": windows.Geometry.centred(2048, 8, 128),
    "beluga": windows.Geometry.sliding(600, 8, 200),
}
NETWORKS = {
    "enformer": {"dim": 48, "depth": 1, "heads": 4, "attn_dim_key": 12, "dim_divisible_by": 12, "num_downsamples": 7},
    "beluga": {"channels": [8, 8, 8], "hidden": 16},
}


def test_examples_are_the_genes_asked_for_in_the_middle_of_their_sequences(tmp_path):
    rng = np.random.default_rng(0)
    encoded, tracks = rng.integers(0, 5, (4, 20), dtype=np.uint8), rng.random((4, 2, 1)).astype(np.float16)
    gene_id, strand = [f"g{row}" for row in range(4)], list("+-+-")
    for shard, rows in (("0.h5", slice(0, 2)), ("1.h5", slice(2, 4))):
        labels = {"gene_id": gene_id[rows], "strand": strand[rows]}
        write_checked(tmp_path / shard, FORMAT, {}, ["encoded"], encoded=encoded[rows], **labels)
    with ShardWriter(
        tmp_path / "features.h5",
        gene_id=gene_id,
        strand=strand,
        track_id=["t"],
        track_type=["chromatin"],
        bins=2,
        bin_size=4,
        provenance={},
    ) as writer:
        writer.write(0, tracks)
    shards = [tmp_path / "0.h5", tmp_path / "1.h5"]
    made = backbones.Examples(shards, 16, tmp_path / "features.h5", ["g3", "g0"])
    assert np.array_equal(made.encoded, encoded[[3, 0], 2:18]) and np.array_equal(made.tracks, tracks[[3, 0]])
    with pytest.raises(InputError, match="gene g9 has no sequence"):
        backbones.Examples(shards, 16, tmp_path / "features.h5", ["g9"])


def examples(type_: str, count: int, seed: int) -> backbones.Examples:
    """Sequences whose bins carry a track where a motif stands, made without the simulation."""
    rng = np.random.default_rng(seed)
    geometry = GEOMETRIES[type_]
    made = backbones.Examples.__new__(backbones.Examples)
    encoded = rng.integers(4, size=(count, geometry.sequence_length), dtype=np.uint8)
    tracks = np.zeros((count, geometry.bins, 2), dtype=np.float32)
    motif = windows.encode("ACCTGATTGCAC")
    for gene in range(count):
        for bin_ in rng.choice(geometry.bins, 3, replace=False):
            start = geometry.margin + bin_ * geometry.bin_size + geometry.bin_size // 2 - 6
            encoded[gene, start : start + 12] = motif
            tracks[gene, bin_] = [4, 1]
    made.encoded, made.tracks = torch.from_numpy(encoded), torch.from_numpy(tracks)
    return made


@pytest.mark.parametrize("type_", ["enformer", "beluga"])
def test_a_small_backbone_learns_a_motif_and_is_saved_as_the_real_one(type_, tmp_path, capsys):
    geometry = GEOMETRIES[type_]
    settings = {"network": NETWORKS[type_], "epochs": 3, "batch_size": 8, "learning_rate": 6e-3, "shift": 2}
    network = backbones.train(
        type_, examples(type_, 128, 1), examples(type_, 32, 2), [windows.encode("ACCTGATTGCAC")], geometry, settings, 3
    )
    correlation = float(capsys.readouterr().out.split("mean of tracks ")[1].split(",")[0])
    assert correlation > 0.5
    network.save(tmp_path / "weights")
    settings = {} if type_ == "enformer" else NETWORKS[type_]
    encoded = examples(type_, 4, 4).encoded
    predicted = type(network).load(tmp_path / "weights", geometry, settings, 2).for_inference().predict(encoded).tracks
    assert predicted.shape == (4, geometry.bins, 2)
    assert torch.allclose(predicted, network.predict(encoded).tracks, atol=1e-5)
    if type_ == "enformer":
        plain = enformer.read(tmp_path / "weights", geometry).eval()
        hot = torch.nn.functional.one_hot(encoded.long(), 4).float()
        assert torch.allclose(predicted, plain(hot)["human"], atol=1e-5)


def test_a_type_without_a_recipe_is_named():
    with pytest.raises(InputError, match="no recipe to train a small borzoi, only enformer and beluga"):
        backbones.train("borzoi", None, None, [], None, {}, 1)


def test_examples_are_moved_and_turned_round_together():
    made = examples("enformer", 4, 1)
    rows = torch.tensor([2, 0])
    encoded, tracks = made.batch(rows, 3, False)
    assert torch.equal(encoded[:, 3:], made.encoded[rows][:, :-3]) and (encoded[:, :3] == windows.N).all()
    encoded, _ = made.batch(rows, -3, False)
    assert torch.equal(encoded[:, :-3], made.encoded[rows][:, 3:]) and (encoded[:, -3:] == windows.N).all()
    encoded, turned = made.batch(rows, 0, True)
    assert torch.equal(turned, tracks.flip(1))
    assert np.array_equal(encoded.numpy(), windows.reverse_complement(made.encoded[rows].numpy()))
