"""A backbone in a file of one's own goes through every script that loads one, as Enformer does."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import scripts
from chrom2expr import registry
from chrom2expr.backbones import attention
from chrom2expr.evaluation.predictions import read_predictions
from chrom2expr.figures import attention_tables, figure
from chrom2expr.heads import tasks
from chrom2expr.heads.finetuned import FineTunedBackbone
from chrom2expr.heads.frozen_trunk import FrozenTrunk
from chrom2expr.tracks import store_reader
from chrom2expr.tracks.store_reader import FeatureStore
from small_backbone import TYPE
from small_enformer import BINS, GEOMETRY, SPLITS, Files, run

Convolutions = registry.find("backbones", TYPE).load()
TRACKS = 3
SHAPE = {key: getattr(GEOMETRY, key) for key in ("sequence_length", "bins", "bin_size")}
SETTINGS = {"sharpness": 1.5}
TEST = [row for row, split in enumerate(SPLITS) if split == "test"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    files = Files(tmp_path_factory.mktemp("files"))
    torch.manual_seed(0)
    backbone = Convolutions.build({"width": 8}, GEOMETRY, SETTINGS, TRACKS)
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
        # Its BatchNorm has seen a batch.
        backbone(torch.from_numpy(files.encoded[:8, 12:-12].copy()))
    backbone.save(files.folder / "mine.pth")
    return files


@pytest.fixture(scope="module")
def backbone(files):
    return Convolutions.load(files.folder / "mine.pth", GEOMETRY, SETTINGS, TRACKS).eval()


@pytest.fixture(scope="module")
def encoded(files):
    return torch.from_numpy(files.encoded[:, 12:-12].copy())


def call(script, output, given, **params):
    """Run a script on its inputs."""
    snakemake = SimpleNamespace(
        input=SimpleNamespace(**given),
        output=[str(output)],
        params=scripts.params(**params),
        resources=SimpleNamespace(batch_size=4, allow_cpu=0),
        threads=1,
        log=[f"{output}.log"],
    )
    run(script, snakemake)
    return output


@pytest.fixture(scope="module")
def embedded(files, tmp_path_factory):
    """The store of its embedding."""
    folder = tmp_path_factory.mktemp("embedded")
    shards = []
    for encoded in files.shards:
        given = {"encoded": str(encoded), "weights": str(files.folder / "mine.pth")}
        params = {"type": TYPE, "geometry": SHAPE, "bins": BINS, "settings": SETTINGS}
        params |= {"source": "window", "reverse_complement": False, "precision": "auto"}
        shards.append(call("embed_sequences.py", folder / encoded.name, given, **params))
    store_reader.merge(shards, folder / "store.h5")
    return folder / "store.h5"


def job(files, folder, adaptation, **changes):
    """What Snakemake gives the script that fine-tunes it."""
    made = files.job(folder, **changes)
    made.input.weights = str(files.folder / "mine.pth")
    own = scripts.params(backbone_type=TYPE, trunk=SETTINGS, adaptation=adaptation)
    return SimpleNamespace(**vars(made) | {"params": made.params | own})


@pytest.fixture(scope="module")
def tuned(files, tmp_path_factory):
    """The folder of a run that fine-tuned all of it."""
    folder = tmp_path_factory.mktemp("tuned")
    grid = {"learning_rate": [0.02]}
    run("finetune_backbone.py", job(files, folder, {"type": "all"}, max_epochs=4, warmup_steps=1, grid=grid))
    return folder


def test_tracks(files, backbone, encoded, tmp_path):
    rows = ["index\tgenome\tidentifier\tfile\tclip\tscale\tsum_stat\tdescription"]
    rows += [f"{number}\t0\tT{number}\tfile\t2\t1\tmean\tDNASE:{number}" for number in range(TRACKS)]
    (tmp_path / "tracks.txt").write_text("\n".join(rows) + "\n")
    given = {"encoded": str(files.shards[0]), "weights": str(files.folder / "mine.pth")}
    params = {"type": TYPE, "geometry": SHAPE, "settings": SETTINGS, "source": "mine", "central_bins": 3}
    shard = call(
        "predict_tracks.py",
        tmp_path / "shard.h5",
        given | {"tracks": str(tmp_path / "tracks.txt")},
        **params,
        reverse_complement=True,
        precision="auto",
    )
    with FeatureStore(shard) as store:
        found = store.select(store.gene_id, "all", "genomic").read(np.arange(len(store.gene_id)))
    expected = backbone.predict(encoded[: len(found)], reverse_complement=True).tracks
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-4)


def test_embedding(backbone, encoded, embedded):
    with FeatureStore(embedded) as store:
        found = store.select(store.gene_id, "embedding", "genomic").read(np.arange(len(store.gene_id)))
    assert found.shape == (len(SPLITS), BINS, 8)
    np.testing.assert_allclose(found, backbone.embed(encoded, BINS), rtol=2e-3, atol=1e-4)


def test_fine_tuning(files, backbone, encoded, tuned):
    head = FineTunedBackbone.load(tuned / "model.pt")
    assert isinstance(head.backbone, Convolutions) and head.backbone.tracks is None
    assert head.metadata["trunk"]["type"] == TYPE and head.metadata["trunk"]["settings"] == SETTINGS
    before = backbone.state_dict()
    for name, parameter in head.backbone.named_parameters():
        assert (parameter - before[name]).abs().max() > 1e-3, name
    # The statistics are those of the pretraining.
    assert torch.equal(head.backbone.norm.running_mean, before["norm.running_mean"])
    predicted = read_predictions(tuned / "predictions.h5")
    with torch.no_grad():
        embedding = head.backbone.embedding(encoded[11:])[:, 2:6]
        weights = (embedding @ head.network.pool.score.weight[0]).softmax(dim=1)
        pooled = torch.einsum("gb,gbw->gw", weights, embedding)
        expected = pooled @ head.network.pool.output.weight.T + head.network.pool.output.bias
    np.testing.assert_allclose(predicted.predicted, expected, atol=1e-5)


def test_a_frozen_trunk_learns_what_the_head_on_the_stored_embedding_learns(files, backbone, embedded, tmp_path):
    """Up to the float16 of the store."""
    keys = {"max_epochs": 6, "warmup_steps": 1, "grid": {"learning_rate": [0.05]}}
    run("finetune_backbone.py", job(files, tmp_path, {"type": "frozen"}, **keys))
    trained = FineTunedBackbone.load(tmp_path / "model.pt")
    genes, expression = files.folder / "split.tsv", files.folder / "expression.h5"
    data = tasks.read_data(embedded, genes, expression, "embedding", "gene")
    stored = FrozenTrunk.fit(files.task(data, **keys))
    for name, value in trained.network.pool.state_dict().items():
        torch.testing.assert_close(stored.network.state_dict()[name], value, atol=2e-3, rtol=2e-3)
    assert (trained.network.pool.score.weight != 0).all()
    before = backbone.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in trained.backbone.state_dict().items())


def test_attention(files, backbone, encoded, tuned, tmp_path):
    given = {"encoded": [str(shard) for shard in files.shards], "split": str(files.folder / "split.tsv")}
    known = {"geometry": SHAPE}
    base = call(
        "attend_genes.py",
        tmp_path / "base.h5",
        given | {"weights": str(files.folder / "mine.pth")},
        **known,
        type=TYPE,
        settings=SETTINGS,
    )
    after = call(
        "attend_genes.py", tmp_path / "run.h5", given | {"model": str(tuned / "model.pt")}, **known, head="finetuned"
    )
    for path, network in ((base, backbone), (after, FineTunedBackbone.load(tuned / "model.pt").backbone)):
        rows = network.attend(encoded[TEST], 4).numpy()
        # Every other gene lies on the minus strand (see Files.write_sequences).
        turned = np.array([gene % 2 == 0 for gene in TEST])
        found = attention.read_attention(path)
        assert found.query_bin == 4 and found.gene_id.tolist() == [files.gene_id[row] for row in TEST]
        np.testing.assert_allclose(found.attention, np.where(turned[:, None], rows[:, ::-1], rows), rtol=1e-5)
    models = [{"series": "Base", "run": "", "colour": ""}, {"series": "Tuned", "run": "a/b/c/d", "colour": ""}]
    found = attention_tables.read_models("mine", models, [str(base), str(after)])
    for kind, settings, points in (
        ("attention_map", {}, 18),
        ("distal_attention", {"distal_bins": 2, "thresholds": [0.05, 0.1]}, 4),
    ):
        assert len(figure.build(kind, "mine", settings).tabulate(found)) == points
