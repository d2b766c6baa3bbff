"""Effects of variants against a slow loop that predicts both windows as a whole, for every head and kind of source."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from chrom2expr.application import allele_windows, effects, variant_genes
from chrom2expr.application.trained_run import TrainedRun, load_run
from chrom2expr.application.variants import Variant
from chrom2expr.backbones import inference
from chrom2expr.backbones.beluga import Beluga
from chrom2expr.files.whole import read_json
from chrom2expr.genome.genes import locate, read_genes
from chrom2expr.genome.sequences import Genome
from chrom2expr.genome.windows import Geometry, decode
from small_world import of
from test_trained_run import RUNS

NAMES = ("cnn", "single_cnn", "ridge", "probe of the embedding", "cnn on Beluga", "frozen", "finetuned", "wide")
# A base lies in eight of forty bins.
WIDE = Geometry.sliding(window=320, bins=40, bin_size=40)


class Sums:
    """A head of a few sums over all bins and tracks."""

    metadata = {"tissue": ["a", "b", "c"], "track_id": ["x", "y"]}
    weights = torch.randn((80, 3), generator=torch.Generator().manual_seed(0))

    def __call__(self, features):
        return features.tanh().flatten(1) @ self.weights


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A run on a Beluga whose window has many more bins than a base lies in; its genome and genes."""
    random, fasta = np.random.default_rng(1), tmp_path_factory.mktemp("wide") / "genome.fa"
    text = "".join(random.choice([*"ACGT"], size=9000))
    fasta.write_text(f">chr1\n{text}\n", encoding="ascii")
    Path(f"{fasta}.fai").write_text("chr1\t9000\t6\t9000\t9001\n", encoding="ascii")
    torch.manual_seed(1)
    backbone = Beluga.build({"channels": [4, 5, 6], "hidden": 5}, WIDE, {}, 2).eval()
    # Fresh ones hardly tell one base from another.
    for parameter in backbone.parameters():
        parameter.data *= 3
    described = inference.described("beluga", {}, WIDE, True, tracks=2)
    model = {"backbone": described, "columns": [[0, 2]], "reduced_from": "tracks"}
    model |= {"assembly": "mine", "genome_sha256": ""}
    summary = {"head": "sums", "loss": {}, "inputs": {"bins": 40, "orientation": "gene"}}
    summary |= {"sequence_model": model, "unit": "RPKM", "pseudocount": 0.1}
    genes = [("G1", "chr1", 1000, "+"), ("G2", "chr1", 1900, "-"), ("G3", "chr1", 6000, "-"), ("G4", "chr1", 6100, "+")]
    return (
        TrainedRun(Sums(), summary, backbone),
        Genome(fasta),
        pd.DataFrame(genes, columns=["gene_id", "chrom", "tss", "strand"]),
    )


@pytest.fixture(params=NAMES)
def case(world, request, tmp_path, wide):
    """A run, the genome that it is asked about, and the genes."""
    if request.param == "wide":
        return wide
    step, changes, _ = RUNS[request.param]
    output = world.make(step, changes).output
    for name in ("model", "summary"):
        shutil.copy(output[name], tmp_path)
    run = load_run(tmp_path)
    info = read_json(world.path(of(f"index_{run.assembly}", "info")))
    genome = Genome(world.path(of(f"index_{run.assembly}", "fasta")), info["fai_sha256"])
    genes = read_genes(world.path(of("lift", "tss")))
    return run, genome, pd.concat([genes[["gene_id"]], locate(genes, run.assembly)], axis=1)


def made_up(genome, genes, geometry, count, seed=0):
    """Random changes in the windows of genes: single bases, several, insertions, deletions, on both sides."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(count):
        gene = genes.iloc[random.integers(len(genes))]
        start = geometry.sequence_start(gene["tss"], gene["strand"])
        low, high = max(start, 1), min(start + geometry.sequence_length, genome.contigs[gene["chrom"]] - 8)
        at = int(random.integers(low, high))
        size = int(random.choice([1, 1, 1, 2, 5]))
        ref = decode(genome.encoded(gene["chrom"], at, at + size))
        alt = "".join(random.choice([*"ACGT"], size=size))
        ref, alt = [(ref, alt), ("", alt), (ref, "")][random.choice(3, p=[0.6, 0.2, 0.2])]
        if ref != alt:
            made.append(Variant(f"v{number}", gene["chrom"], at, ref, alt, number, gene["chrom"], at + 1, ref, alt))
    return made


def slowly(run, genome, genes, variants, pairs):
    """Both windows of each pair, one at a time, each predicted as a whole."""
    found = []
    for gene, variant in zip(pairs.gene, pairs.variant, strict=True):
        there = allele_windows.Gene(*genes[["chrom", "tss", "strand"]].iloc[gene])
        windows = [
            allele_windows.reference(genome, there, run.geometry),
            allele_windows.alternative(genome, there, run.geometry, variants[variant]).encoded,
        ]
        with torch.inference_mode():
            found.append([run(torch.from_numpy(window)[None], [there.strand])[0].numpy() for window in windows])
    return np.array(found).transpose(1, 0, 2)


def test_effects_are_those_of_whole_windows(case):
    run, genome, genes = case
    variants = made_up(genome, genes, run.geometry, 60)
    pairs = variant_genes.holding(variants, genes, run.geometry)
    assert len(pairs.gene) > 40
    reference, alternative = slowly(run, genome, genes, variants, pairs)
    for size in (1, 5):
        found = effects.Predictor(run, genome, genes, size).predict(variants, pairs)
        np.testing.assert_allclose(found.reference, reference, rtol=1e-5, atol=2e-5)
        np.testing.assert_allclose(found.alternative, alternative, rtol=1e-5, atol=2e-5)
        assert (found.alternative[found.same] == found.reference[found.same]).all()
        np.testing.assert_allclose(found.alternative - found.reference, alternative - reference, rtol=1e-3, atol=3e-5)
    assert np.abs(alternative - reference).max() > 1e-3


def test_a_gene_is_predicted_alike_with_any_of_its_variants(case):
    """In blocks too, as they come from a file."""
    run, genome, genes = case
    variants = made_up(genome, genes, run.geometry, 40)
    pairs = variant_genes.holding(variants, genes, run.geometry)
    together = effects.Predictor(run, genome, genes).predict(variants, pairs)
    predictor, found = effects.Predictor(run, genome, genes), {}
    for part in np.array_split(np.arange(len(pairs.gene)), 7):
        block = predictor.predict(variants, variant_genes.Pairs(*(column[part] for column in pairs)))
        found |= {row: block.alternative[number] - block.reference[number] for number, row in enumerate(part)}
    np.testing.assert_array_equal([found[row] for row in range(len(found))], together.alternative - together.reference)


def test_equal_windows_have_no_effect_and_swapping_turns_the_sign(case, tmp_path):
    """The alternative chromosome as a FASTA of its own, and the way back."""
    run, genome, genes = case
    [chrom] = {*genes["chrom"]} & {"chr1"}
    here = genes[genes["chrom"] == chrom].reset_index(drop=True)
    snvs = [one for one in made_up(genome, here, run.geometry, 60) if len(one.ref) == len(one.alt)]
    for variant in snvs[:6]:
        pairs = variant_genes.holding([variant], here, run.geometry)
        there = effects.Predictor(run, genome, here).predict([variant], pairs)
        other = tmp_path / "other.fa"
        text = decode(genome.encoded(chrom, 0, genome.contigs[chrom]))
        changed = text[: variant.start] + variant.alt + text[variant.end :]
        other.write_text(f">{chrom}\n{changed}\n", encoding="ascii")
        (tmp_path / "other.fa.fai").write_text(
            f"{chrom}\t{len(text)}\t{len(chrom) + 2}\t{len(text)}\t{len(text) + 1}\n", encoding="ascii"
        )
        back = variant._replace(ref=variant.alt, alt=variant.ref)
        returned = effects.Predictor(run, Genome(other), here).predict([back], pairs)
        np.testing.assert_array_equal(there.alternative - there.reference, -(returned.alternative - returned.reference))
        nothing = variant._replace(alt=variant.ref)
        none = effects.Predictor(run, genome, here).predict([nothing], pairs)
        assert none.same.all() and (none.alternative == none.reference).all()


@pytest.mark.parametrize("case", ["cnn"], indirect=True)
def test_a_whole_window_of_a_gene_is_read_once(case):
    """However many blocks its variants come in."""
    run, genome, genes = case
    variants = made_up(genome, genes, run.geometry, 20)
    pairs = variant_genes.holding(variants, genes, run.geometry)
    predictor = effects.Predictor(run, genome, genes)
    changed = (~predictor.predict(variants, pairs).same).sum()
    assert predictor.bases_read == (len({*pairs.gene.tolist()}) + changed) * run.window
    predictor.predict(variants, pairs)
    assert predictor.bases_read == (len({*pairs.gene.tolist()}) + 2 * changed) * run.window


def test_all_that_is_computed_has_one_shape_and_only_the_last_genes_are_kept(wide, monkeypatch):
    run, genome, genes = wide
    variants = made_up(genome, genes, WIDE, 23)
    pairs = variant_genes.holding(variants, genes, WIDE)
    shapes, kept = {"features": set(), "expression": set()}, []

    def watched(name):
        before = getattr(run, name)

        def call(given, *more):
            shapes[name].add(given.shape)
            return before(given, *more)

        return call

    for name in shapes:
        monkeypatch.setattr(run, name, watched(name))
    monkeypatch.setattr(effects, "_AT_ONCE", 1)
    predictor = effects.Predictor(run, genome, genes, 5)
    for row in range(len(pairs.gene)):
        predictor.predict(variants, variant_genes.Pairs(*(column[row : row + 1] for column in pairs)))
        kept.append(len(predictor._chunks))
    assert shapes == {"features": {(5, 7 * 40 + 320)}, "expression": {(5, 40, 2)}}
    assert len({*pairs.gene.tolist()}) > 2 and {*kept} == {1}


def test_a_single_base_takes_one_chunk_of_each_allele(wide):
    """In bases read by the backbone: a gene once, then eight of forty bins a base, however many variants there are."""
    run, genome, genes = wide
    gene = genes.iloc[[0]].reset_index(drop=True)
    chunk, cover = 7 * 40 + 320, 5
    start = WIDE.sequence_start(1000, "+")
    assert effects._Chunks(run).cover == (0, 8, 16, 24, 32)
    places = range(start + 400, start + 1500, 100)
    snvs = [one for one in made_up(genome, gene, WIDE, 3000) if len(one.ref) == len(one.alt) == 1]
    snvs = [one for one in snvs if one.start in places] or snvs[:20]
    pairs = variant_genes.holding(snvs, gene, WIDE)
    predictor = effects.Predictor(run, genome, gene)
    predictor.predict(snvs, pairs)
    read = predictor.bases_read
    assert read <= (cover + 2 * len(snvs)) * chunk
    predictor.predict(snvs, pairs)
    assert predictor.bases_read == read + len(snvs) * chunk
    # An indel moves all that lies beyond it, and no more.
    [deletion] = [
        snvs[0]._replace(start=start + 1400, ref=decode(genome.encoded("chr1", start + 1400, start + 1402)), alt="")
    ]
    before = predictor.bases_read
    predictor.predict([deletion], variant_genes.holding([deletion], gene, WIDE))
    assert predictor.bases_read - before <= 2 * 2 * chunk


def test_chunks_hold_every_bin_that_a_base_lies_in(wide):
    chunks = effects._Chunks(wide[0])
    for base in range(WIDE.sequence_length):
        touched = {number for number in range(WIDE.bins) if number * 40 <= base < number * 40 + 320}
        starts = chunks.holding(slice(base, base + 1))
        held = {number for start in starts for number in range(start, start + chunks.size)}
        assert touched <= held and len(starts) == 1, base
