"""Our Enformer against enformer-pytorch's plain forward, and its weights folders."""

import json

import numpy as np
import pytest
import torch
from enformer_pytorch import Enformer
from enformer_pytorch.modeling_enformer import get_positional_embed
from safetensors.torch import save_file

from chrom2expr.backbones import enformer
from chrom2expr.errors import InputError
from chrom2expr.genome import windows
from chrom2expr.genome.windows import Geometry

GEOMETRY = Geometry.centred(sequence_length=2048, bins=10, bin_size=128)
CONFIG = {
    "dim": 48,
    "depth": 3,
    "heads": 4,
    "attn_dim_key": 8,
    "dim_divisible_by": 8,
    "target_length": 10,
    "output_heads": {"human": 9, "mouse": 3},
    "dropout_rate": 0,
}
CPU = torch.device("cpu")


def network(**changes) -> Enformer:
    """A network whose output varies from bin to bin: no layer is zero or the identity, as enformer-pytorch starts
    some of them, and BatchNorm has seen a batch."""
    torch.manual_seed(0)
    net = enformer.build({**CONFIG, **changes})
    for name, parameter in net.named_parameters():
        if name.endswith(("to_out.weight", "to_attn_logits.weight", "to_rel_k.weight")):
            parameter.data += 0.15 * torch.randn_like(parameter)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.momentum = 1.0
    length = 2**net.config.num_downsamples * (1536 if net.use_tf_gamma else 16)
    with torch.no_grad():
        net.train()(torch.eye(4)[torch.randint(0, 4, (2, length))])
    return net.eval()


def encoded(batch: int, length: int = GEOMETRY.sequence_length, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 5, (batch, length), dtype=np.uint8))


def plain(net: Enformer, sequences: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """enformer-pytorch's own forward on one-hot sequences, N all zeros."""
    hot = torch.stack([(sequences == code).float() for code in range(4)], dim=-1)
    with torch.no_grad():
        return net(hot, head="human", return_embeddings=True)


@pytest.fixture
def weights(tmp_path):
    enformer.save(network(), tmp_path / "weights")
    return tmp_path / "weights"


def load(weights, tracks=9, geometry=GEOMETRY, **settings):
    return enformer.Enformer.load(weights, geometry, settings, tracks).for_inference()


@pytest.mark.parametrize(("length", "bins"), [(2048, 10), (2048, 16), (1920, 9), (128 * 40, 8)])
def test_same_as_plain_forward(weights, length, bins):
    net, sequences = network(), encoded(3, length)
    net.set_target_length(bins)
    tracks, embedding = plain(net, sequences)
    found = load(weights, geometry=Geometry.centred(length, bins, 128)).predict(sequences)
    assert found.tracks.shape == (3, bins, 9) and found.embedding.shape == (3, bins, 96)
    assert tracks.std(dim=1).mean() > 0.01 and embedding.std(dim=1).mean() > 0.05
    torch.testing.assert_close(found.tracks, tracks, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.embedding, embedding, atol=1e-5, rtol=1e-5)


def test_attention_sees_positions(weights):
    """Without its attention layers the network would not tell, so the comparison above would not test them."""
    backbone, sequences = load(weights), encoded(1)
    before = backbone.predict(sequences).tracks
    for layer in backbone.network.transformer:
        layer[0].fn[1].keys.zero_()
    assert (backbone.predict(sequences).tracks - before).abs().max() > 1e-3


def test_tf_gamma(tmp_path):
    """1,536 bins with the published number of gamma features, in a network that is small otherwise."""
    small = {"dim": 192, "heads": 1, "depth": 1, "num_downsamples": 3, "dim_divisible_by": 96, "target_length": 896}
    geometry = Geometry.centred(sequence_length=1536 * 8, bins=896, bin_size=8)
    net = network(**small, use_tf_gamma=True)
    enformer.save(net, tmp_path)
    sequences = encoded(1, geometry.sequence_length)
    expected, _ = plain(net, sequences)
    found = load(tmp_path, geometry=geometry, use_tf_gamma=True).predict(sequences).tracks
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    without = load(tmp_path, geometry=geometry).predict(sequences).tracks
    assert (found - without).abs().max() > 1e-3
    with pytest.raises(InputError, match="use_tf_gamma is for 196,608 bp"):
        load(tmp_path, geometry=Geometry.centred(2048, 200, 8), use_tf_gamma=True)


@pytest.mark.parametrize("training", [True, False])
def test_a_fused_block_learns_as_a_plain_one(training):
    """Output, gradients and BatchNorm's statistics; and what an adaptation puts in its place is used."""
    plain_block, block = (network().conv_tower[0][0] for _ in range(2))
    fused = enformer.FusedConvBlock(block)
    given = torch.randn(3, 24, 40)
    found = []
    for one in (plain_block.train(training), fused.train(training)):
        inputs = given.clone().requires_grad_()
        output = one(inputs)
        (output * torch.arange(40.0)).sum().backward()
        found.append([output, inputs.grad, *(value.grad for value in one.parameters()), *one.state_dict().values()])
    for ours, expected in zip(*found, strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)
    assert list(fused.state_dict()) == list(plain_block.state_dict())
    fused[2] = torch.nn.Sequential(fused[2], torch.nn.Tanh())
    assert fused(given).abs().max() <= 1


@pytest.mark.parametrize("basis", ["library", "pretrained_slice"])
def test_kept_positions_train_as_plain_ones_do_to_the_bit(basis):
    changes = {"dim": 192, "heads": 1, "depth": 2, "attn_dropout": 0.2, "pos_dropout": 0.2, "dropout_rate": 0.2}
    nets = [network(**changes) for _ in range(2)]
    if basis == "pretrained_slice":
        for net in nets:
            enformer._take_pretrained_positions(net, GEOMETRY, "here")
    names, ours = list(nets[0].state_dict()), enformer.Enformer(nets[1], GEOMETRY)
    assert ours.network.transformer.state_dict().keys() == nets[0].transformer.state_dict().keys(), names
    found = []
    for layers in (nets[0].transformer, ours.network.transformer):
        torch.manual_seed(5)
        embedding = torch.randn(2, 16, 192, requires_grad=True)
        layers.train()(embedding).square().sum().backward()
        found.append([embedding.grad, *(parameter.grad for parameter in layers.parameters())])
    assert all(gradient.abs().max() > 0 for gradient in found[0])
    assert all(map(torch.equal, *found))
    other = torch.randn(1, 8, 192)
    assert torch.equal(ours.network.eval().transformer(other), nets[0].eval().transformer(other))


def test_positions_are_computed_once(monkeypatch):
    backbone, counted = enformer.Enformer(network(), GEOMETRY), []
    for module in ("chrom2expr.backbones.enformer", "enformer_pytorch.modeling_enformer"):
        monkeypatch.setattr(f"{module}.get_positional_embed", lambda *given, **more: counted.append(given))
    backbone.train().embedding(encoded(1))
    assert not counted


def test_batch_size_does_not_matter(weights):
    backbone, sequences = load(weights), encoded(5)
    together = backbone.predict(sequences)
    alone = [backbone.predict(sequence[None]) for sequence in sequences]
    torch.testing.assert_close(together.tracks, torch.cat([one.tracks for one in alone]), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(together.embedding, torch.cat([one.embedding for one in alone]), atol=1e-5, rtol=1e-5)


def test_strands(weights):
    backbone, here = load(weights), encoded(2)
    there = torch.from_numpy(windows.reverse_complement(here.numpy()).copy())
    both, turned = backbone.predict(here, reverse_complement=True), backbone.predict(there, reverse_complement=True)
    for one, other in zip(both, turned, strict=True):
        torch.testing.assert_close(one, other.flip(1), atol=1e-6, rtol=0)
    mean = (backbone.predict(here).embedding + backbone.predict(there).embedding.flip(1)) / 2
    torch.testing.assert_close(both.embedding, mean, atol=1e-6, rtol=0)


def test_n_is_all_zeros(weights):
    unknown = torch.full((1, GEOMETRY.sequence_length), windows.N, dtype=torch.uint8)
    net = network()
    with torch.no_grad():
        expected = net(torch.zeros(1, GEOMETRY.sequence_length, 4), head="human")
    torch.testing.assert_close(load(weights).predict(unknown).tracks, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("length", "bins", "start"), [(2048, 10, 3), (1920, 10, 2), (1920, 15, 0), (1152, 4, 2)])
def test_embedding_of_the_central_bins(weights, length, bins, start):
    """If the bins before and after cannot be as many, one more lies after them: the TSS's bin is then in the middle."""
    net, sequences = network(), encoded(2, length)
    net.set_target_length(-1)
    _, embedding = plain(net, sequences)
    embedder = load(weights, None, Geometry.centred(length, length // 128, 128))
    found = embedder.embed(sequences, bins)
    assert found.shape == (2, bins, 96) and not list(embedder.network.heads)
    torch.testing.assert_close(found, embedding[:, start : start + bins], atol=1e-5, rtol=1e-5)
    other = torch.from_numpy(windows.reverse_complement(sequences.numpy()).copy())
    both = (embedding + plain(net, other)[1].flip(1)) / 2
    assert (both - embedding).abs().max() > 1e-2
    found = embedder.embed(sequences, bins, reverse_complement=True)
    torch.testing.assert_close(found, both[:, start : start + bins], atol=1e-5, rtol=1e-5)
    with pytest.raises(InputError, match="loaded without its tracks"):
        embedder.predict(sequences)


class TestPositions:
    """The published width of positional features, in a network that is small otherwise."""

    WIDE = {"dim": 192, "heads": 1, "depth": 2, "num_downsamples": 3, "dim_divisible_by": 96}
    GEOMETRY = Geometry.centred(sequence_length=21 * 8, bins=21, bin_size=8)

    @pytest.fixture
    def wide(self, tmp_path):
        enformer.save(network(**self.WIDE), tmp_path)
        return tmp_path

    def test_pretrained_slice_gives_a_distance_the_features_it_was_trained_with(self, wide):
        net = enformer.read(wide, self.GEOMETRY, positional_basis="pretrained_slice").eval()
        table = get_positional_embed(1536, 192, CPU, use_tf_gamma=True)
        given = []
        for layer in net.transformer:
            layer[0].fn[1].to_rel_k.register_forward_hook(lambda _, seen, __: given.append(seen[0]))
        sequences = encoded(1, 168)
        tracks, _ = plain(net, sequences)
        assert len(given) == 2
        for seen in given:
            assert seen.shape == (41, 192)
            for distance in range(-20, 21):
                assert torch.equal(seen[distance + 20], table[distance + 1535])
        fast = load(wide, geometry=self.GEOMETRY, positional_basis="pretrained_slice").predict(sequences).tracks
        torch.testing.assert_close(fast, tracks, atol=1e-5, rtol=1e-5)
        library = load(wide, geometry=self.GEOMETRY, positional_basis="library").predict(sequences).tracks
        torch.testing.assert_close(library, plain(enformer.read(wide, self.GEOMETRY).eval(), sequences)[0])
        assert (library - fast).abs().max() > 1e-3

    def test_positions_are_dropped_out_in_training(self, tmp_path):
        enformer.save(network(**self.WIDE, pos_dropout=0.5), tmp_path)
        net = enformer.read(tmp_path, self.GEOMETRY, positional_basis="pretrained_slice")
        drop, positions = net.transformer[0][0].fn[1].pos_dropout.train(), torch.zeros(41, 192)
        assert not torch.equal(drop(positions), drop(positions))
        assert (drop.eval()(positions) != 0).any()

    def test_a_basis_that_does_not_exist(self, wide, weights):
        with pytest.raises(InputError, match="positional_basis: pretrained_slice exists for at most 1,536 bins"):
            load(wide, geometry=Geometry.centred(1537 * 8, 1537, 8), positional_basis="pretrained_slice")
        with pytest.raises(InputError, match="the published width, 32 gamma features; here are 16 bins and 2 features"):
            load(weights, positional_basis="pretrained_slice")
        with pytest.raises(InputError, match="positional_basis is 'slice': it must be library or pretrained_slice"):
            load(weights, positional_basis="slice")


class TestWeights:
    def test_hub_layout(self, tmp_path):
        """As on the hub: every trunk tensor twice, keys of older versions in the config, either checkpoint format."""
        net = network()
        state = net.state_dict()
        assert any(name.startswith("_trunk.") for name in state)
        (tmp_path / "config.json").write_text(
            json.dumps({**CONFIG, "architectures": ["Enformer"], "model_type": "enformer", "use_checkpointing": True})
        )
        sequences = encoded(1)
        expected, _ = plain(net, sequences)
        save_file({name: value.clone() for name, value in state.items()}, tmp_path / "model.safetensors")
        torch.testing.assert_close(load(tmp_path).predict(sequences).tracks, expected, atol=1e-5, rtol=1e-5)
        (tmp_path / "model.safetensors").unlink()
        torch.save(state, tmp_path / "pytorch_model.bin")
        torch.testing.assert_close(load(tmp_path).predict(sequences).tracks, expected, atol=1e-5, rtol=1e-5)

    @pytest.mark.parametrize("kept", ["own", "copies", "mixed", "both"])
    @pytest.mark.parametrize("checkpoint", ["pytorch_model.bin", "model.safetensors"])
    def test_each_tensor_counts_under_whichever_name_a_file_has_it(self, tmp_path, kept, checkpoint):
        net = network()
        state = {name: value.clone() for name, value in net.state_dict().items()}
        copies = [name for name in state if name.startswith("_trunk.")]
        tensors = {id(value): name for name, value in net.state_dict(keep_vars=True).items() if name not in copies}
        pairs = [(name, tensors[id(net.state_dict(keep_vars=True)[name])]) for name in copies]
        for number, (copy, own) in enumerate(pairs):
            if kept == "own" or (kept == "mixed" and number % 2):
                del state[copy]
            elif kept in ("copies", "mixed"):
                del state[own]
        assert len(state) == len(net.state_dict()) - (0 if kept == "both" else len(copies))
        (tmp_path / "config.json").write_text(json.dumps(CONFIG))
        (save_file if checkpoint.endswith("safetensors") else torch.save)(state, tmp_path / checkpoint)
        sequences = encoded(1)
        torch.testing.assert_close(
            load(tmp_path).predict(sequences).tracks, plain(net, sequences)[0], atol=1e-5, rtol=1e-5
        )

    def test_saving_is_reproducible(self, tmp_path):
        for folder in ("a", "b"):
            enformer.save(network(), tmp_path / folder)
        for name in ("config.json", "pytorch_model.bin"):
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda state: state.pop("stem.0.bias"), r"1 missing: stem\.0\.bias"),
            (lambda state: state.update(more=torch.zeros(1)), "1 not of this network: more"),
            (lambda state: state.update({"_heads.human.0.bias": torch.zeros(2)}), r"_heads\.human\.0\.bias \(2,\)"),
        ],
    )
    def test_tensors_that_do_not_fit(self, weights, damage, message):
        state = torch.load(weights / "pytorch_model.bin", weights_only=True)
        damage(state)
        torch.save(state, weights / "pytorch_model.bin")
        with pytest.raises(InputError, match=f"pytorch_model.bin: .*{message}"):
            load(weights)

    @pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
    def test_truncated_checkpoint(self, weights, name):
        content = (weights / "pytorch_model.bin").read_bytes()
        (weights / "pytorch_model.bin").unlink()
        (weights / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(InputError, match=f"{name}: not a readable checkpoint"):
            load(weights)

    def test_missing_files(self, weights):
        (weights / "pytorch_model.bin").unlink()
        with pytest.raises(InputError, match="holds no pytorch_model.bin or model.safetensors"):
            load(weights)
        (weights / "config.json").unlink()
        with pytest.raises(InputError, match="config.json: missing"):
            load(weights)

    @pytest.mark.parametrize(
        "text", ["{", "[1]", '{"dim": "wide"}', '{"dim": 96, "dim_divisible_by": 8, "depth": 1, "output_heads": 3}']
    )
    def test_broken_config(self, weights, text):
        (weights / "config.json").write_text(text)
        with pytest.raises(InputError, match="config.json: "):
            load(weights)

    def test_no_human_head(self, tmp_path):
        enformer.save(network(output_heads={"mouse": 9}), tmp_path)
        with pytest.raises(InputError, match="has no 'human', only mouse"):
            load(tmp_path)

    def test_other_number_of_tracks(self, weights):
        with pytest.raises(InputError, match="weights: .* 9 tracks, but the track table describes 12"):
            load(weights, tracks=12)

    @pytest.mark.parametrize(
        ("geometry", "message"),
        [
            (Geometry.centred(2048, 10, 64), "bins of 128 bp, but the config's geometry has bins of 64 bp"),
            (Geometry.centred(2048, 11, 128), "same number cropped on both sides"),
            (Geometry.centred(2000, 10, 128), "same number cropped on both sides"),
        ],
    )
    def test_geometry_that_does_not_fit(self, weights, geometry, message):
        with pytest.raises(InputError, match=message):
            load(weights, geometry=geometry)
