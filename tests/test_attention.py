"""Attention of the TSS against hooks on enformer-pytorch's own layers and planted weights; the tables against loops."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch
from enformer_pytorch.modeling_enformer import TF_GAMMAS
from scipy import stats

import scripts
from checked_files import write_checked
from chrom2expr.backbones import attention, enformer
from chrom2expr.errors import InputError
from chrom2expr.figures import attention_tables, figure
from chrom2expr.figures.rows import Point
from chrom2expr.genome.sequence_store import FORMAT as SEQUENCE
from chrom2expr.genome.windows import Geometry
from chrom2expr.heads import finetuned
from chrom2expr.heads.adaptations import AllParameters
from chrom2expr.heads.attention_pool import AttentionPool
from made_files import write_split

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow/scripts"
GEOMETRY = Geometry.centred(sequence_length=15 * 128, bins=11, bin_size=128)
QUERY = 7
CONFIG = {
    "dim": 48,
    "depth": 3,
    "heads": 4,
    "attn_dim_key": 8,
    "dim_divisible_by": 8,
    "output_heads": {"human": 9},
    "dropout_rate": 0.4,
}


def network(geometry=GEOMETRY, positional_basis="library", **changes):
    """A plain network, as `read` builds it, whose attention differs from layer to layer and from bin to bin."""
    torch.manual_seed(0)
    net = enformer.build_for(geometry, {**CONFIG, **changes}, "config.json", False, positional_basis)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith(("to_out.weight", "to_attn_logits.weight", "to_rel_k.weight", "to_q.weight")):
                parameter += 0.3 * torch.randn_like(parameter)
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.momentum = 1.0
        net.train()(torch.eye(4)[torch.randint(0, 4, (2, geometry.sequence_length))])
    return net


def encoded(batch=3, geometry=GEOMETRY):
    sequences = np.random.default_rng(0).integers(0, 5, (batch, geometry.sequence_length), dtype=np.uint8)
    return torch.from_numpy(sequences)


def hooked(net, sequences, query):
    """The row that enformer-pytorch's own forward uses: every map of every layer is kept, then averaged."""
    kept = []
    hooks = [
        layer[0].fn[1].attn_dropout.register_forward_hook(lambda _, given, __: kept.append(given[0]))
        for layer in net.transformer
    ]
    hot = torch.stack([(sequences == code).float() for code in range(4)], dim=-1)
    with torch.no_grad():
        net.eval()(hot, head="human")
    for hook in hooks:
        hook.remove()
    maps = torch.stack(kept)  # (layer, batch, head, query, key)
    assert maps.shape[0] == len(net.transformer)
    return maps[:, :, :, query].mean(dim=(0, 2))


def attend(net, sequences, query=QUERY, geometry=GEOMETRY):
    return enformer.Enformer(net, geometry).attend(sequences, query)


class TestAttend:
    @pytest.mark.parametrize("query", [0, QUERY, 14])
    def test_same_as_hooks(self, query):
        expected = hooked(network(), encoded(), query)
        # A network in training mode, as `read` gives it: dropout and the batch must play no part.
        found = attend(network().train(), encoded(), query)
        assert found.shape == (3, 15) and found.dtype == torch.float32
        assert expected.std(dim=1).min() > 0.01 and (expected[0] - expected[1]).abs().max() > 1e-3
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)

    def test_pretrained_positions(self):
        """The published number of gamma features, and so the middle of the table for 1,536 bins, at 15 bins."""
        wide = {"dim": TF_GAMMAS.shape[1] * 6, "heads": 1, "depth": 1, "num_downsamples": 3, "dim_divisible_by": 96}
        geometry = Geometry.centred(sequence_length=15 * 8, bins=15, bin_size=8)
        expected = hooked(network(geometry, "pretrained_slice", **wide), encoded(geometry=geometry), QUERY)
        net = network(geometry, "pretrained_slice", **wide)
        found = attend(net, encoded(geometry=geometry), geometry=geometry)
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
        other = attend(network(geometry, **wide), encoded(geometry=geometry), geometry=geometry)
        assert (found - other).abs().max() > 1e-3

    def test_rows_sum_to_one(self):
        found = attend(network(), encoded())
        assert (found >= 0).all()
        torch.testing.assert_close(found.sum(dim=1), torch.ones(3), atol=1e-6, rtol=0)

    def test_batch_size_does_not_matter(self):
        backbone = enformer.Enformer(network(), GEOMETRY)
        alone = torch.cat([backbone.attend(sequence[None], QUERY) for sequence in encoded()])
        torch.testing.assert_close(backbone.attend(encoded(), QUERY), alone, atol=1e-6, rtol=1e-5)

    def test_planted(self):
        """Every layer and head prefers the two bins right after the query to those before: the weights are known."""
        net = network(attn_dim_key=1)
        with torch.no_grad():
            for layer in net.transformer:
                plain = layer[0].fn[1]
                for parameter in (plain.to_q.weight, plain.to_k.weight, plain.to_rel_k.weight):
                    parameter.zero_()
                # Of twelve features two are exponential, two masks, two gamma; then the same times the distance's sign.
                plain.to_rel_k.weight[:, 9] = 1  # the sign, where |distance| < 3
                plain.rel_pos_bias.fill_(2.0)
        distance = np.arange(15) - 5
        odds = np.exp(2.0 * np.sign(distance) * (np.abs(distance) < 3))
        found = attend(net, encoded(2), 5).numpy()
        np.testing.assert_allclose(found, np.tile(odds / odds.sum(), (2, 1)), rtol=1e-5)


class Stored:
    """Sequences in memory, which remember how many were asked for at once."""

    def __init__(self, sequences, strand):
        self.sequences, self.asked = sequences, []
        self.gene_id, self.strand = (
            np.array([f"g{row}" for row in range(1, 1 + len(sequences))]),
            np.array(list(strand)),
        )

    def read(self, rows):
        self.asked.append(len(rows))
        return self.sequences[rows]


class TestAttendGenes:
    def write(self, output, attend):
        sequences = Stored(encoded().numpy(), "+-+")
        attention.attend_genes(attend, sequences, GEOMETRY, output)
        return sequences

    def test_file(self, tmp_path):
        """One gene at a time; the minus gene is turned round, which leaves the TSS's bin where it is."""
        backbone, path = enformer.Enformer(network(), GEOMETRY), tmp_path / "attention.h5"
        sequences = self.write(path, lambda batch: backbone.attend(torch.from_numpy(batch), QUERY).numpy())
        assert sequences.asked == [1, 1, 1]
        expected = backbone.attend(encoded(), QUERY).numpy()
        assert abs(expected[1] - expected[1, ::-1]).max() > 1e-3
        expected[1] = expected[1, ::-1].copy()
        found = attention.read_attention(path)
        np.testing.assert_allclose(found.attention, expected, rtol=1e-5, atol=1e-7)
        assert found.gene_id.tolist() == ["g1", "g2", "g3"] and found.query_bin == QUERY
        with h5py.File(path) as file:
            assert file["attention"].dtype == np.float32
            assert (file.attrs["query_bin"], file.attrs["bin_size"]) == (QUERY, 128)
        again = tmp_path / "again.h5"
        self.write(again, lambda batch: backbone.attend(torch.from_numpy(batch), QUERY).numpy())
        assert again.read_bytes() == path.read_bytes()

    def test_strands_of_one_sequence(self, tmp_path):
        """A model that reads both strands alike gives a gene and its mirror image the same row."""
        weights = {0: np.arange(15.0), 1: np.arange(15.0)[::-1]}
        sequences = Stored(np.array([[0] * 8, [1] * 8], dtype=np.uint8), "+-")
        attend = lambda batch: weights[int(batch[0, 0])][None]  # noqa: E731
        attention.attend_genes(attend, sequences, GEOMETRY, tmp_path / "a.h5")
        first, second = attention.read_attention(tmp_path / "a.h5").attention
        assert first.tolist() == second.tolist() == list(range(15))

    def test_not_a_number(self, tmp_path):
        rows = iter([np.ones((1, 15)), np.full((1, 15), np.nan)])
        with pytest.raises(InputError, match="gene g2 is not a number"):
            self.write(tmp_path / "out" / "a.h5", lambda batch: next(rows))
        assert not list((tmp_path / "out").iterdir())

    def test_failure_in_the_middle(self, tmp_path):
        rows = iter([np.ones((1, 15))])
        with pytest.raises(StopIteration):
            self.write(tmp_path / "out" / "a.h5", lambda batch: next(rows))
        assert not list((tmp_path / "out").iterdir())

    @pytest.mark.parametrize("length", [16 * 128, 15 * 128 + 2])
    def test_tss_in_no_middle_bin(self, length):
        with pytest.raises(InputError, match="needs an odd number of whole bins"):
            attention.tss_bin(Geometry.centred(length, 10, 128))

    def test_tss_bin_of_the_thesis(self):
        assert attention.tss_bin(Geometry.centred(50048, 391, 128)) == 195


def write_file(path, rows, query=4, genes=None):
    genes = genes or [f"g{i}" for i in range(len(rows))]
    parts = {"attention": rows.astype(np.float32), "gene_id": genes}
    return write_checked(path, attention.FORMAT, {"query_bin": query}, ["attention"], **parts)


MODELS = [
    {"series": "Base Enformer", "run": "", "colour": ""},
    {"series": "MSE", "run": "enformer_50kb/embedding/finetuned/mse", "colour": "tab:red"},
]


def map_points(name, models, files):
    return attention_tables.map_points(name, attention_tables.read_models(name, models, files))


def distal_points(name, models, files, distal_bins, thresholds):
    return attention_tables.distal_points(
        name, attention_tables.read_models(name, models, files), distal_bins, thresholds
    )


@pytest.fixture
def files(tmp_path):
    """Attention of two models, 12 genes and 9 bins: rows sum to one."""
    rows = np.random.default_rng(3).dirichlet(np.ones(9), (2, 12))
    return [write_file(tmp_path / f"{name}.h5", own) for name, own in zip("ab", rows, strict=True)]


FIGURE = figure.build("distal_attention", "fig3_7", {"distal_bins": 2, "thresholds": [0.05, 0.1]})


class TestTables:
    def test_map(self, files):
        points = map_points("fig3_6", MODELS, files)
        assert [(p.series, p.x) for p in points] == [(m["series"], x) for m in MODELS for x in range(-4, 5)]
        for point in points:
            path = files[MODELS.index({"series": point.series, "run": point.run, "colour": point.colour})]
            values = h5py.File(path)["attention"][:, int(point.x) + 4].astype(float)
            assert point.mean == pytest.approx(np.mean(values)) and point.sem == pytest.approx(stats.sem(values))
            assert (point.figure, point.panel, point.n, point.undefined) == ("fig3_6", "attention map", 12, 0)
            assert np.isnan(point.thesis)

    def test_distal(self, files):
        thresholds = [0.02, 0.1, 0.9999]
        points = distal_points("fig3_7", MODELS, files, 2, thresholds)
        expected = []
        for model, path in zip(MODELS, files, strict=True):
            for threshold in thresholds:
                counts = []
                for row in h5py.File(path)["attention"][:]:
                    counts.append(sum(1 for place in range(9) if abs(place - 4) > 2 and row[place] > threshold))
                expected.append((model["series"], threshold, np.mean(counts), stats.sem(counts), 12))
        assert [p[2:4] for p in points] == [e[:2] for e in expected]
        np.testing.assert_allclose([p[4:7] for p in points], [e[2:] for e in expected], rtol=1e-12)
        assert points[0].mean > points[1].mean > points[2].mean == 0

    def test_planted_distal_attention(self, tmp_path):
        """Exactly 2 bins away is not distal, 3 is; a weight at the threshold does not exceed it."""
        rows = np.zeros((2, 9))
        rows[0, [0, 1, 2, 6, 7]] = 0.5, 0.25, 1, 1, 0.5
        path = write_file(tmp_path / "planted.h5", rows)
        (point,) = distal_points("fig3_7", MODELS[:1], [path], 2, [0.25])
        assert (point.mean, point.sem, point.n) == (1.0, 1.0, 2)  # 2 bins in one gene, none in the other

    def test_order_of_genes_does_not_matter(self, files, tmp_path):
        order = np.random.default_rng(0).permutation(12)
        rows = h5py.File(files[0])["attention"][:]
        mixed = write_file(tmp_path / "mixed.h5", rows[order])
        for own, other in zip(
            map_points("fig3_6", MODELS[:1], files[:1]),
            map_points("fig3_6", MODELS[:1], [mixed]),
            strict=True,
        ):
            assert own.mean == pytest.approx(other.mean) and own.sem == pytest.approx(other.sem)

    def test_written_and_read(self, files, tmp_path):
        points = map_points("fig3_7", MODELS, files) + [
            Point("fig3_7", "distal bins", "MSE", 0.002, np.nan, np.nan, 0, 3, np.nan, "", ""),
            Point("fig3_7", "distal bins", "MSE", 0.03, 1.23456e-6, 3.2e-8, 5, 0, 0.5, "a/b", "red"),
        ]
        FIGURE.write(tmp_path / "t.tsv", points)
        found = FIGURE.read(tmp_path / "t.tsv")
        assert len(found) == len(points)
        for own, other in zip(points, found, strict=True):
            assert own[:3] == other[:3] and own[6:8] == other[6:8] and own[9:] == other[9:]
            for name in ("x", "mean", "sem", "thesis"):
                np.testing.assert_allclose(getattr(other, name), getattr(own, name), rtol=1e-5)

    @pytest.mark.parametrize(
        ("column", "cell", "message"),
        [
            ("mean", "much", "row 3: 'much' is not a number"),
            ("mean", "-0.1", "row 3: mean -0.1 of n 12"),
            ("mean", "", "row 3: mean nan of n 12"),
            ("n", "0", "row 3: mean .* of n 0"),
            ("n", "1.5", "row 3: '1.5' is not a number"),
            ("x", "", "row 3: no x"),
            ("sem", "?", "row 3: '\\?' is not a number"),
        ],
    )
    def test_bad_tables(self, files, tmp_path, column, cell, message):
        path = tmp_path / "t.tsv"
        FIGURE.write(path, map_points("fig3_7", MODELS, files))
        lines = [line.split("\t") for line in path.read_text().splitlines()]
        lines[2][lines[0].index(column)] = cell
        path.write_text("\n".join("\t".join(line) for line in lines) + "\n")
        with pytest.raises(InputError, match=f"t.tsv, {message}"):
            FIGURE.read(path)
        path.write_text("\t".join(lines[0]) + "\n\n")
        with pytest.raises(InputError, match="holds no rows"):
            FIGURE.read(path)

    def test_no_bin_is_distal(self, files):
        distal_points("fig3_7", MODELS, files, 3, [0.1])
        with pytest.raises(InputError, match="distal_bins is 4, but no bin is further than 4"):
            distal_points("fig3_7", MODELS, files, 4, [0.1])

    def test_models_that_cannot_be_compared(self, files, tmp_path):
        with pytest.raises(InputError, match="two models named MSE"):
            map_points("fig3_6", [MODELS[1], MODELS[1]], files)
        rows = h5py.File(files[0])["attention"][:]
        others = [
            write_file(tmp_path / "genes.h5", rows, genes=[f"h{i}" for i in range(12)]),
            write_file(tmp_path / "bins.h5", rows[:, :7], query=3),
        ]
        for other in others:
            with pytest.raises(InputError, match=f"{other.name} and .*a.h5 are about different genes or bins"):
                map_points("fig3_6", MODELS, [files[0], other])

    def test_cut_file(self, files):
        files[0].write_bytes(files[0].read_bytes()[:300])
        with pytest.raises(InputError, match="a.h5: damaged"):
            attention.read_attention(files[0])


def run_script(name, **parts):
    runpy.run_path(
        str(SCRIPTS / name),
        init_globals={"snakemake": scripts.snakemake(resources=SimpleNamespace(allow_cpu=0), **parts)},
    )


class TestScripts:
    """The scripts: both kinds of models, and the table."""

    @pytest.fixture
    def attend(self, tmp_path):
        """Runs the script on three test genes, on the strands of the assembly of the sequences."""
        sequences = np.random.default_rng(1).integers(0, 4, (5, 21 * 128), dtype=np.uint8)
        genes = [f"g{i}" for i in range(5)]
        labels = {"gene_id": genes, "strand": list("+-++-")}
        write_checked(tmp_path / "000.h5", SEQUENCE, {}, ["encoded"], encoded=sequences, **labels)
        split = ["train", "test", "val", "test", "test"]
        given = {
            "encoded": [tmp_path / "000.h5"],
            "split": write_split(tmp_path / "split.tsv", genes, split),
        }
        geometry = {"sequence_length": 15 * 128, "bins": 11, "bin_size": 128}
        known = {"geometry": geometry}

        def run(net, model, **params):
            run_script(
                "attend_genes.py",
                input=SimpleNamespace(**given, **model),
                output=[tmp_path / "attention.h5"],
                params=scripts.params(**known | params),
                log=[str(tmp_path / "log")],
            )
            found = attention.read_attention(tmp_path / "attention.h5")
            assert found.gene_id.tolist() == ["g1", "g3", "g4"] and found.query_bin == QUERY
            expected = hooked(net, torch.from_numpy(sequences[[1, 3, 4], 3 * 128 : 18 * 128]), QUERY)
            expected = torch.where(torch.tensor([[True], [False], [True]]), expected.flip(1), expected)
            np.testing.assert_allclose(found.attention, expected, rtol=1e-4, atol=1e-6)

        return run

    def test_base_model(self, tmp_path, attend):
        enformer.save(network(), tmp_path / "weights")
        files = [tmp_path / "weights" / name for name in ("config.json", "pytorch_model.bin")]
        attend(network(), {"weights": files}, type="enformer", settings={"use_tf_gamma": False})

    def test_a_damaged_split(self, tmp_path, attend, capfd):
        path = tmp_path / "split.tsv"
        path.write_text(path.read_text().replace("g3\ttest", "g3\ttset"))
        with pytest.raises(SystemExit):
            attend(network(), {"weights": []}, type="enformer", settings={})
        assert "split.tsv, line 5: split is 'tset'" in capfd.readouterr().err

    def test_fine_tuned_model(self, tmp_path, attend):
        net = network()
        net.heads.clear()
        backbone = enformer.Enformer(net, GEOMETRY)
        tuned = finetuned.FineTuned(backbone, AttentionPool(backbone.embedding_width, 5), 10, AllParameters())
        start = finetuned.Trunk(
            type="enformer",
            weights=tmp_path,
            geometry=GEOMETRY,
            bins=10,
            settings={"use_tf_gamma": False},
            adaptation={"type": "all"},
            weights_sha256="",
        )
        metadata = {"trunk": start.describe(backbone), "tissue": list("abcde")}
        finetuned.FineTunedBackbone(tuned, [], metadata).save(tmp_path / "model.pt")
        attend(network(), {"model": tmp_path / "model.pt"}, head="finetuned")

    @pytest.mark.parametrize(
        ("kind", "settings", "count"),
        [("attention_map", {}, 18), ("distal_attention", {"distal_bins": 2, "thresholds": [0.05, 0.1]}, 4)],
    )
    def test_table(self, tmp_path, files, kind, settings, count):
        run_script(
            "tabulate_attention.py",
            input=SimpleNamespace(attention=files),
            output=SimpleNamespace(table=tmp_path / "mine.tsv"),
            params=scripts.params(figure="mine", kind=kind, settings=settings, models=MODELS),
            log=[str(tmp_path / "log")],
        )
        points = figure.build(kind, "mine", settings).read(tmp_path / "mine.tsv")
        assert len(points) == count and {point.figure for point in points} == {"mine"}
        assert {(point.series, point.colour) for point in points} == {("Base Enformer", ""), ("MSE", "tab:red")}
