"""The audit of leakage: planted overlaps, copies and training regions, and slow loops over every base."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

import scripts
from chrom2expr.config import audited, folds, schema
from chrom2expr.errors import InputError
from chrom2expr.evaluation import metric, without_leaks
from chrom2expr.evaluation.predictions import Predictions
from chrom2expr.files.whole import write_json
from chrom2expr.genome import audits, compared, genes, overlaps, seen, sequences, training_regions, windows
from made_files import write_split

ROOT = Path(__file__).resolve().parents[1]
CONTIGS = {"1": 9_000, "2": 9_000, "3": 2_500}
WINDOW = windows.Geometry.centred(1_000, 10, 100)
# Strands differ by one bin, as ExPecto's do.
SLIDING = windows.Geometry.sliding(200, 8, 100)


# --- overlaps ----------------------------------------------------------------------------------------------------


def scattered(seed, count=60):
    """Genes anywhere, also at the ends of contigs."""
    rng = np.random.default_rng(seed)
    chrom = rng.choice(list(CONTIGS), count).astype(object)
    tss = np.array([rng.integers(0, CONTIGS[name]) for name in chrom])
    return pd.DataFrame({"chrom": chrom, "tss": tss, "strand": rng.choice(["+", "-"], count)})


def bases(place, geometry):
    """The bases of a window that its contig has, one by one."""
    start = geometry.sequence_start(place.tss, place.strand)
    return {base for base in range(start, start + geometry.sequence_length) if 0 <= base < CONTIGS[place.chrom]}


@pytest.mark.parametrize("geometry", [WINDOW, SLIDING])
@pytest.mark.parametrize("seed", range(3))
def test_the_largest_overlap_is_what_counting_bases_gives(geometry, seed, monkeypatch):
    monkeypatch.setattr(overlaps, "_BLOCK", 4)
    located = scattered(seed)
    start, end = overlaps.spans(located, geometry, CONTIGS)
    of, among = np.arange(0, 52), np.arange(52, 60)
    found, where = overlaps.largest(located["chrom"].to_numpy(), start, end, of, among)
    every = [(place.chrom, bases(place, geometry)) for place in located.itertuples()]
    for gene, shared, other in zip(of, found, where, strict=True):
        chrom, own = every[gene]
        counts = [len(own & there) if name == chrom else 0 for name, there in (every[one] for one in among)]
        assert shared == max(counts)
        assert other == (among[counts.index(max(counts))] if max(counts) else -1)
    assert (where >= 0).any() and (where < 0).any()


def test_no_others_and_no_windows_overlap_nothing():
    chrom, start, end = np.array(["1"], dtype=object), np.array([0]), np.array([5])
    none = np.empty(0, dtype=int)
    assert [one.tolist() for one in overlaps.largest(chrom, start, end, np.array([0]), none)] == [[0], [-1]]
    assert [one.tolist() for one in overlaps.largest(chrom, start, end, none, np.array([0]))] == [[], []]


# --- what a backbone was trained on ------------------------------------------------------------------------------


def regions_of(rng, path, per_contig=12):
    rows = []
    for name, length in CONTIGS.items():
        for _ in range(per_contig):
            start = int(rng.integers(0, length - 600))
            rows.append(
                (f"chr{name}", start, start + int(rng.integers(1, 600)), rng.choice(["train", "valid", "test"]))
            )
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    return rows


@pytest.mark.parametrize("geometry", [WINDOW, SLIDING])
def test_what_was_seen_is_what_a_mask_of_every_base_says(geometry, tmp_path):
    rng = np.random.default_rng(3)
    rows = regions_of(rng, tmp_path / "r.bed")
    located = scattered(7)
    table = pd.DataFrame(
        {"gene_id": map(str, located.index), "strand": located["strand"], "chrom_a": located["chrom"]}
    ).assign(tss_a=located["tss"] + 1)
    place = seen.places(table, "a", geometry, CONTIGS)
    asked = {"regions": "r.bed", "folds": ["train", "valid"]}
    found = seen.seen(place, asked, CONTIGS, tmp_path / "r.bed")
    for gene, here in enumerate(located.itertuples()):
        own = [(start, end, fold) for chrom, start, end, fold in rows if chrom == f"chr{here.chrom}"]
        learned = {base for start, end, fold in own if fold != "test" for base in range(start, end)}
        window = bases(here, geometry)
        assert found.share[gene] == pytest.approx(len(window & learned) / len(window))
        first = geometry.bins_start(here.tss, here.strand)
        [bin_] = [at for at in range(first, first + 9_999, geometry.bin_size) if 0 <= here.tss - at < geometry.bin_size]
        met = {fold for start, end, fold in own if set(range(start, end)) & set(range(bin_, bin_ + geometry.bin_size))}
        assert found.fold[gene] == ",".join(sorted(met))
        assert found.tss[gene] == bool(met - {"test"})
    assert set(found.tss) == {True, False} and any("," in fold for fold in found.fold)


def test_left_out_chromosomes_take_their_other_contigs_with_them():
    chrom = np.array(["chr8", "chr8_gl000196_random", "chr18", "chrUn_gl000220"], dtype=object)
    zero = np.zeros(4, dtype=int)
    place = training_regions.Place(chrom, zero, zero + 9, zero, zero + 2)
    found = seen.seen(place, {"all_but": ["8"]}, dict.fromkeys(chrom, 99))
    assert found.tss.tolist() == [False, False, True, True]
    assert found.share.tolist() == [0, 0, 1, 1] and set(found.fold) == {""}
    with pytest.raises(InputError, match=r"all_but: the genome has no chr9, but chr18, chr8, chr8_gl000196_random, …"):
        seen.seen(place, {"all_but": ["chr8", "chr9"]}, dict.fromkeys(chrom, 99))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr1\t0\t10\ttrain\nchr1\t10\t20\n", "r.bed, line 2: has no fold"),
        ("chr1\t0\t10\t\n", "r.bed, line 1: has no fold"),
        ("chr1\t0\tten\ttrain\n", "r.bed, line 1: the end is 'ten'"),
        ("# regions\nchr1\t-5\t10\ttrain\n", "r.bed, line 2: the start is '-5'"),
        ("chr1\t10\t10\ttrain\n", "r.bed, line 1: stops at 10"),
        ("chr1\t0\t9001\ttrain\n", "r.bed, line 1: stops at 9001, but chr1 is 9000 bp long"),
        ("chrA\t0\t10\ttrain\n", "r.bed: no region on a contig of the genome .1, 2, 3., only on chrA"),
        ("track name=r\n", "r.bed: no region on a contig of the genome .*, only on none"),
        ("chr1\t0\t10\tfold3\n", "r.bed: trained_on: folds: no region is in train; the file has the folds fold3"),
    ],
)
def test_regions_that_cannot_be_used_are_refused(tmp_path, text, message):
    (tmp_path / "r.bed").write_text(text)
    place = training_regions.Place(*(np.empty(0, dtype=int),) * 5)
    with pytest.raises(InputError, match=message):
        seen.seen(place, {"regions": "r.bed"}, CONTIGS, tmp_path / "r.bed")


def test_regions_on_contigs_that_the_genome_lacks_are_counted(tmp_path, capsys):
    (tmp_path / "r.bed").write_text("chr1\t0\t10\ttrain\nchrUn_1\t0\t10\ttrain\n")
    assert training_regions.read_regions(tmp_path / "r.bed", CONTIGS).values.tolist() == [["1", 0, 10, "train"]]
    said = capsys.readouterr().out
    assert "1 of 2 regions lie on contigs that the genome lacks" in said and "chr1 for 1" in said


# --- planted genes -----------------------------------------------------------------------------------------------

# Their places, strands and parts. T2 and T3 are as far from their neighbours as the windows are long, or one bp less.
PLANTED = [
    ("A", "1", 1_000, "+", "train"),
    ("T1", "1", 1_000, "-", "test"),
    ("T2", "1", 2_000, "+", "test"),
    ("V", "1", 2_999, "-", "val"),
    ("T3", "1", 5_000, "+", "test"),
    ("B", "1", 5_999, "-", "train"),
    ("C", "2", 2_000, "+", "train"),
    ("T4", "2", 6_000, "-", "test"),
    ("T5", "3", 100, "+", "test"),
    ("T6", "3", 2_450, "-", "test"),
]


def planted(folder):
    """T4's window has a copy of C's, turned round, with one base in a hundred changed; T6's is N but for 90 bases."""
    rng = np.random.default_rng(0)
    genome = {name: rng.integers(0, 4, length).astype(np.uint8) for name, length in CONTIGS.items()}
    copy = windows.reverse_complement(genome["2"][1_500:2_500])
    genome["2"][5_500:6_500] = np.where(rng.random(1_000) < 0.01, 3 - copy, copy)
    genome["3"][1_000:2_410] = windows.N
    fasta = folder / "given.fa"
    fasta.write_text("".join(f">{name}\n{windows.decode(encoded)}\n" for name, encoded in genome.items()))
    sequences.index_genome(fasta, folder / "a.fa", folder / "a.json")
    table = pd.DataFrame(PLANTED, columns=["gene_id", "chrom_a", "tss_a", "strand", "part"])
    table["tss_a"] += 1
    table = table.assign(symbol="S", gene_type="x", chrom_a="chr" + table["chrom_a"])
    columns = ["gene_id", "symbol", "gene_type", "strand", "chrom_a", "tss_a"]
    extra = pd.DataFrame([["N", "S", "x", "+", "chr1", 5_001]], columns=columns)  # in no part
    genes.write_table(folder / "tss.tsv", pd.concat([table[columns], extra]))
    write_json(folder / "contigs.json", {"chains": []})
    write_split(folder / "split.tsv", table["gene_id"], table["part"])
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return planted(tmp_path_factory.mktemp("leakage"))


def call(script, folder, output, inputs, **params):
    given = SimpleNamespace(**{name: _path(folder, value) for name, value in inputs.items()})
    made = Named(folder / output) if isinstance(output, str) else SimpleNamespace(**output)
    job = scripts.snakemake(input=given, output=made, params=scripts.params(**params), log=[str(folder / "log.txt")])
    try:
        runpy.run_path(scripts.path(script), init_globals={"snakemake": job})
    except SystemExit:
        raise RuntimeError((folder / "log.txt").read_text()) from None


class Named(list):
    def __init__(self, path):
        super().__init__([str(path)])


def _path(folder, value):
    return [str(folder / one) for one in value] if isinstance(value, list) else str(folder / value)


GENOME = {"fasta": "a.fa", "fai": "a.fa.fai", "info": "a.json", "lifted": "contigs.json", "tss": "tss.tsv"}


def compare(world, name="compared.tsv", geometry=WINDOW, sampled=0, split="split.tsv"):
    shape = {"assembly": "a", "geometry": vars(geometry), "sampled": sampled}
    call("compare_windows.py", world, name, GENOME | {"split": split}, **shape)
    return {row.gene_id: row for row in audits.read(world / name, audits.Compared)}


def test_planted_genes_are_found(world):
    found = compare(world)
    assert list(found) == [gene for gene, *_, part in PLANTED if part == "test"]
    one = found["T1"]
    assert (one.train_gene_id, one.train_overlap_bp, one.train_overlap, one.train_same_tss) == ("A", 1_000, 1, "A")
    assert (one.val_gene_id, one.val_overlap_bp, one.similar_gene_id, one.similar) == ("", 0, "A", 1)
    # A base of one window with one of the next is no overlap; with a base more it is.
    two = found["T2"]
    assert (two.train_gene_id, two.train_overlap_bp, two.train_same_tss) == ("", 0, "")
    assert (two.val_gene_id, two.val_overlap_bp, two.val_overlap) == ("V", 1, 0.001)
    assert (found["T3"].train_gene_id, found["T3"].train_overlap_bp) == ("B", 1)
    copy = found["T4"]
    assert (copy.train_gene_id, copy.similar_gene_id) == ("", "C") and 0.6 < copy.similar < 0.9
    assert (found["T5"].similar, found["T5"].similar_gene_id) == (0, "")
    assert np.isnan(found["T6"].similar) and found["T6"].similar_gene_id == ""


def test_the_similar_share_is_what_sets_of_words_give(world):
    genome = sequences.Genome(world / "a.fa")
    words = {}
    for gene, chrom, tss, _, part in PLANTED:
        text = windows.decode(genome.encoded(chrom, tss - 500, tss + 500))
        turned = text[::-1].translate(str.maketrans("ACGT", "TGCA"))
        pairs = ((text[at : at + 31], turned[len(text) - at - 31 : len(text) - at]) for at in range(len(text) - 30))
        words[gene] = part, {min(pair) for pair in pairs if "N" not in pair[0]}
    for gene, row in compare(world).items():
        own = words[gene][1]
        shares = [len(own & there) / len(own) for part, there in words.values() if part == "train"]
        assert np.isnan(row.similar) if len(own) < 100 else row.similar == pytest.approx(max(shares), abs=1e-6)


def test_a_sample_says_about_the_same(world):
    found = compare(world, "sampled.tsv", sampled=3)
    assert found["T1"].similar == 1 and found["T4"].similar == pytest.approx(compare(world)["T4"].similar, abs=0.15)


def test_a_window_on_the_other_strand_lies_one_bin_away(world):
    """T1 and A have one TSS on two strands: their windows do not."""
    found = compare(world, "sliding.tsv", SLIDING)["T1"]
    assert (found.train_same_tss, found.train_overlap_bp) == ("A", SLIDING.sequence_length - 100)


def audit(world, name, rows=("compared.tsv",), regions=None, **params):
    given = {"compared": list(rows), "regions": regions or []}
    given |= {key: GENOME[key] for key in ("info", "lifted", "tss")}
    shape = {"source": "mine", "backbone": "its", "assembly": "a", "geometry": vars(WINDOW), **params}
    call("audit_leakage.py", world, name, given, **shape)
    return {row.gene_id: row for row in audits.read(world / name, audits.Audited)}


def test_a_backbone_that_was_trained_on_test_genes_is_warned_of(world, capfd):
    compare(world)
    (world / "r.bed").write_text("chr1\t0\t1001\ttrain\nchr2\t5900\t6100\tvalid\n")
    found = audit(world, "seen.tsv", regions="r.bed", trained_on={"regions": "r.bed"})
    assert {gene: row.trained_on_tss for gene, row in found.items() if row.trained_on_tss != "no"} == {"T1": "yes"}
    # T1's window is 500 to 1,500; one bin holds its TSS.
    assert (found["T1"].trained_on_fold, found["T1"].trained_on_share) == ("train", 0.501)
    assert (found["T4"].trained_on_fold, found["T4"].trained_on_share) == ("valid", 0)
    assert found["T2"].trained_on_fold == ""
    said = capfd.readouterr().err
    assert "Warning: mine is evaluated on genes that its backbone was trained on: 1 of 6 test genes (17%)" in said
    assert "backbones: its: trained_on says, at first T1" in said


@pytest.mark.parametrize(("trained_on", "word"), [(None, "none"), ({}, "unknown")])
def test_what_is_not_known_and_what_there_is_not(world, capfd, trained_on, word):
    compare(world)
    found = audit(world, "unseen.tsv", trained_on=trained_on)
    assert {(row.trained_on_tss, row.trained_on_fold) for row in found.values()} == {(word, "")}
    assert all(np.isnan(row.trained_on_share) for row in found.values()) and not capfd.readouterr().err


def test_test_genes_of_folds_are_audited_each_against_its_own(world):
    """In the second fold, training and test genes have changed places."""
    turned = {"train": "test", "test": "train", "val": "val"}
    write_split(world / "turned.tsv", [row[0] for row in PLANTED], [turned[row[-1]] for row in PLANTED])
    both = [compare(world), compare(world, "turned_compared.tsv", split="turned.tsv")]
    found = audit(world, "folds.tsv", ["compared.tsv", "turned_compared.tsv"], trained_on=None)
    assert list(found) == [*both[0], *both[1]]
    assert found["C"].similar_gene_id == "T4" and found["A"].train_same_tss == "T1"


# --- scores without ----------------------------------------------------------------------------------------------


def gene(name, **changes):
    row = audits.Audited(name, "", 0, 0.0, "", "", 0, 0.0, "", "", 0.0, "no", "", 0.0)
    return row._replace(**changes)


AUDITED = [
    gene("G0", train_gene_id="A", train_overlap_bp=3, similar=0.4),
    gene("G1", val_gene_id="V", val_overlap_bp=9, trained_on_tss="yes", trained_on_share=0.5),
    gene("G2", similar=0.51, similar_gene_id="A"),
    gene("G3", train_same_tss="B", val_same_tss="V"),
    gene("G4", similar=np.nan),
    *(gene(f"G{number}", similar=0.5) for number in range(5, 12)),
]
SOURCE = {"source": "mine", "split": "cv", "assembly": "a", "window_bp": 1_000}


def test_what_leaks_is_counted_and_said(monkeypatch):
    assert without_leaks.leaking(AUDITED, 0.5) == {"G0", "G2", "G3"}
    found = without_leaks.summarise(SOURCE, AUDITED, 0.5)
    counts = {"test_genes": 12, "train_overlap": 1, "train_same_tss": 1, "val_overlap": 1, "val_same_tss": 1}
    counts |= {"trained_on": "yes", "trained_on_tss": 1, "similar": 1, "similar_unknown": 1, "leaking": 3}
    assert found._asdict() == {**SOURCE, **counts, "trained_on_share": pytest.approx(0.5 / 12)}
    unknown = [row._replace(trained_on_tss="unknown", trained_on_share=np.nan) for row in AUDITED]
    other = without_leaks.summarise(SOURCE, unknown, 0.3)
    assert (other.trained_on, other.trained_on_tss, other.similar) == ("unknown", None, 9)
    said = []
    monkeypatch.setattr(without_leaks, "tell", said.append)
    without_leaks.say([found._replace(val_overlap=7, val_same_tss=6), other], "leakage.tsv")
    _, first, second = said[0].splitlines()
    assert "3 of 12 leak (1 overlap a training gene's window, 1 share its TSS, 1 are like one); 7 overlap" in first
    assert first.endswith("a validation gene's; backbone trained on 1")
    assert second.endswith("; not known what its backbone was trained on")


def test_scores_without_are_scipys_over_the_other_genes():
    rng = np.random.default_rng(4)
    predicted, observed = rng.normal(size=(2, 12, 6))
    ids = np.array([f"G{number}" for number in rng.permutation(12)], dtype=object)
    test = Predictions(predicted, observed, ids, np.arange(6).astype(str), np.full(12, "test"))
    metrics = metric.build([{"name": name, "type": name} for name in ("cross_gene", "cross_celltype")])
    leaks = {"G0", "G2", "G3"}
    by_gene, by_tissue = without_leaks.rescore({"run": "mine/a", "source": "mine"}, test, metrics, leaks)
    kept = [row for row in range(12) if ids[row] not in leaks]
    columns = [stats.spearmanr(predicted[kept, one], observed[kept, one]).statistic for one in range(6)]
    rows = [stats.spearmanr(predicted[one], observed[one]).statistic for one in kept]
    assert (by_gene.mean_without, by_gene.n, by_gene.n_without) == (pytest.approx(np.mean(columns)), 6, 6)
    assert (by_tissue.mean_without, by_tissue.n, by_tissue.n_without) == (pytest.approx(np.mean(rows)), 12, 9)
    assert by_gene.mean != by_gene.mean_without and (by_gene.test_genes, by_gene.leaking) == (12, 3)
    none = list(without_leaks.rescore({"run": "r", "source": "s"}, test, metrics, set(ids)))
    assert all(np.isnan(row.mean_without) and row.n_without == 0 for row in none)


def test_the_page_has_both_scores_side_by_side(tmp_path):
    rows = [without_leaks.summarise(SOURCE, AUDITED, 0.5)]
    rescored = [without_leaks.Rescored("mine/a", "mine", "cross_gene", "cell types", 12, 3, 0.5, 6, 0.375, 5)]
    made = [tmp_path / name for name in ("leakage.tsv", "leakage.scores.tsv", "leakage.html")]
    without_leaks.write(*made, rows, rescored)
    page = made[2].read_text()
    for name in (*without_leaks.Summary._fields, *without_leaks.Rescored._fields, "difference"):
        assert f">{name.replace('_', '_<wbr>')}</button>" in page
    assert (
        '>0.375</td><td class="number" data-value="5.0">5</td><td class="number" data-value="-0.125">-0.125</td>'
        in page
    )
    assert made[1].read_text().splitlines()[1].split("\t")[-4:] == ["0.500000", "6", "0.375000", "5"]


# --- the config --------------------------------------------------------------------------------------------------


def thesis():
    return schema.checked(yaml.safe_load((ROOT / "config/config.yaml").read_text()))


def test_a_source_is_what_its_heads_are_given():
    config = thesis()
    found = {name: audited.window(config, name) for name in audited.sources(config)}
    lengths = {name: window.sequence_length for name, window in found.items()}
    assert lengths == {
        "enformer_predicted": 196_608,
        "enformer_experimental": 114_688,
        "beluga_predicted": 41_800,
        "beluga_experimental": 40_000,
        "enformer_50kb": 50_048,
    }
    for name in ("enformer_experimental", "beluga_experimental"):
        whole = found[name.replace("experimental", "predicted")]
        for strand in "+-":
            assert found[name].sequence_start(10**6, strand) == whole.bins_start(10**6, strand)
            assert found[name].bins_start(10**6, strand) == whole.bins_start(10**6, strand)
    names = {audited.compared(config, name)["name"] for name in found}
    assert names >= {"grch38_196608_98304", "grch37_41800_20999_20799"} and len(names) == 5
    assert audited.trained_on(config, "beluga_predicted") == {"all_but": ["chr8"]}
    assert audited.trained_on(config, "enformer_predicted") == audited.trained_on(config, "enformer_50kb") == {}
    assert audited.trained_on(config, "beluga_experimental") is None


def test_sources_of_one_split_and_window_share_the_work():
    config = thesis()
    config["sources"]["twin"] = {**config["sources"]["beluga_predicted"], "backbone": "twin"}
    config["backbones"]["twin"] = {**config["backbones"]["beluga"], "trained_on": {}}
    assert audited.compared(config, "twin") == audited.compared(config, "beluga_predicted")


def test_folds_are_compared_one_by_one_and_audited_together():
    config = thesis()
    config["splits"]["chr8"] = {"folds": 3}
    config = folds.spread(config)
    assert audited.splits_of(config, "beluga_predicted") == ["chr8@fold0", "chr8@fold1", "chr8@fold2"]
    assert audited.splits_of(config, "enformer_predicted") == ["chr14"]
    assert not any("@" in name for name in audited.sources(config))


def test_runs_of_several_figures_are_scored_once():
    found = audited.scored_runs(thesis())
    names = [run["run"] for run in found]
    assert len(names) == len({*names}) > 40 and json.loads(json.dumps(found)) == found
    assert {run["source"] for run in found} == {*audited.sources(thesis())}


def test_the_sample_keeps_what_says_enough():
    assert all(length / compared.sampling(length) >= 2_000 for length in (2_000, 3_999, 41_800, 196_608))


def test_a_config_that_evaluates_on_training_chromosomes_is_told_at_once():
    config = schema.checked(yaml.safe_load((ROOT / "config/config.yaml").read_text()))
    assert audited.warnings(config) == []
    config["backbones"]["beluga"]["trained_on"] = {"all_but": ["8"]}
    assert audited.warnings(config) == []
    config["backbones"]["beluga"]["trained_on"] = {"all_but": ["chr9"]}
    said = audited.warnings(config)
    assert [line.split()[0] for line in said] == [
        "beluga_predicted"
    ] and "is evaluated on chr8, which its backbone" in said[0]
    config["splits"]["chr8"] = {"validation": ["chr9"], "test": ["chr10", "chr9"]}
    assert "is evaluated on chr10, which its backbone" in audited.warnings(config)[0]
