"""What every backbone must give, chrom2expr's own, those of installed packages, and one in a file."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch

from chrom2expr import registry
from chrom2expr.backbones.backbone import Backbone, as_one_hot, other_strand
from chrom2expr.errors import InputError
from chrom2expr.files.tensors import Format, read_tensors, write_tensors
from chrom2expr.genome import windows
from chrom2expr.genome.windows import Geometry
from small_backbone import TYPE

TRACKS = 3
# The method that each offer is about.
METHODS = {"tracks": "forward", "embedding": "embedding", "trunk": "embedding", "attention": "attend"}
ALIKE = {"atol": 1e-5, "rtol": 1e-5}


class Small:
    """A small network of a type of backbone, from the example in its schema, in which no layer is zero."""

    def __init__(self, name: str) -> None:
        self.name, self.type = name, registry.find("backbones", name).load()
        [self.example, *_] = self.type.declares["schema"]["examples"]
        self.geometry = Geometry.from_config(self.example["geometry"])
        self.settings = self.example.get("settings", {})
        self.offers = self.type.declares["offers"]

    def need(self, *offers: str) -> None:
        if missing := set(offers) - set(self.offers):
            pytest.skip(f"{self.type.__name__} offers no {' and no '.join(missing)}")

    def build(self, tracks: int | None = TRACKS) -> Backbone:
        """In eval mode. The same weights every time."""
        torch.manual_seed(0)
        backbone = self.type.build(self.example["network"], self.geometry, self.settings, tracks)
        with torch.no_grad():
            for parameter in backbone.parameters():
                parameter += 0.2 * torch.randn_like(parameter)
            for module in backbone.modules():
                if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                    module.running_mean.normal_(0, 0.3)
                    module.running_var.uniform_(0.5, 1.5)
        return backbone.eval()

    def encoded(self, batch: int = 3, seed: int = 0) -> torch.Tensor:
        shape = (batch, self.geometry.sequence_length)
        return torch.from_numpy(np.random.default_rng(seed).integers(0, 5, shape, dtype=np.uint8))


@pytest.fixture(params=[*registry.names("backbones"), TYPE], ids=lambda name: name.rpartition(":")[2])
def small(request):
    return Small(request.param)


def test_what_it_declares_is_what_it_does(small):
    assert set(small.offers) <= set(METHODS) and len(set(small.offers)) == len(small.offers)
    assert "trunk" not in small.offers or "embedding" in small.offers
    schema = small.type.declares["schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(small.example, schema)
    assert set(small.example) <= {"geometry", "settings", "network"}
    backbone, encoded = small.build(), small.encoded()
    for offer, method in METHODS.items():
        ask = (encoded, 0) if offer == "attention" else (encoded,)
        if offer in small.offers:
            getattr(backbone, method)(*ask)
        elif offer != "trunk":
            with pytest.raises(NotImplementedError, match=f"{small.type.__name__} offers no {offer}"):
                getattr(backbone, method)(*ask)


def test_prediction(small):
    small.need("tracks")
    backbone, bins = small.build(), small.geometry.bins
    found = backbone.predict(small.encoded())
    assert found.tracks.shape == (3, bins, TRACKS) and found.tracks.dtype == torch.float32
    # Genes and bins differ, or the tests below would show nothing.
    assert found.tracks.std(dim=0).mean() > 1e-4 and found.tracks.std(dim=1).mean() > 1e-4
    assert ("embedding" in small.offers) == (found.embedding is not None) == (backbone.embedding_width is not None)
    if found.embedding is not None:
        assert found.embedding.shape == (3, bins, backbone.embedding_width)
        assert torch.equal(found.embedding, backbone.embed(small.encoded(), bins))


def test_embedding(small):
    small.need("embedding")
    backbone = small.build()
    whole = backbone.embedding(small.encoded()).detach()
    assert whole.shape == (3, small.geometry.bins, backbone.embedding_width) and whole.std(dim=1).mean() > 1e-3
    for bins in (1, 2, small.geometry.bins):
        here = windows.middle(small.geometry.bins, bins)
        torch.testing.assert_close(backbone.embed(small.encoded(), bins), whole[:, here], **ALIKE)


def results(small, backbone, sequence, **options):
    """All that a backbone gives of a sequence: a dictionary of tensors with a row for each gene."""
    found = {}
    if "tracks" in small.offers:
        found["tracks"] = backbone.predict(sequence, **options).tracks
    if "embedding" in small.offers:
        found["embedding"] = backbone.embed(sequence, small.geometry.bins, **options)
    if "attention" in small.offers and not options:
        found["attention"] = backbone.attend(sequence, 2)
    return found


def assert_alike(one, other):
    assert one and one.keys() == other.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], **ALIKE, msg=lambda text, name=name: f"{name}: {text}")


def test_one_hot_gives_the_numbers_of_encoded(small):
    backbone, encoded = small.build(), small.encoded()
    hot = torch.zeros(3, 4, small.geometry.sequence_length)
    for gene, position in zip(*np.nonzero(encoded.numpy() < 4), strict=True):
        hot[gene, int(encoded[gene, position]), position] = 1
    assert torch.equal(as_one_hot(encoded), hot)
    assert_alike(results(small, backbone, encoded), results(small, backbone, hot))
    both = results(small, backbone, encoded, reverse_complement=True)
    assert_alike(both, results(small, backbone, hot, reverse_complement=True))
    with pytest.raises(ValueError, match="one-hot"):
        (backbone if "tracks" in small.offers else backbone.embedding)(hot.transpose(1, 2))


def test_gradients_reach_one_hot(small):
    """Against finite differences in float64, along directions drawn at random."""
    backbone = small.build().double()
    outcome = (lambda hot: backbone(hot).tracks) if "tracks" in small.offers else backbone.embedding
    hot = as_one_hot(small.encoded(1)).double().contiguous().requires_grad_()
    [gradient] = torch.autograd.grad(outcome(hot).sum(), hot)
    random = torch.Generator().manual_seed(1)
    for _ in range(3):
        direction = torch.randn(hot.shape, generator=random, dtype=torch.float64)
        with torch.no_grad():
            there, here = (outcome(hot + step * direction).sum() for step in (1e-6, -1e-6))
        expected = (there - here) / 2e-6
        assert abs(expected) > 1e-4
        torch.testing.assert_close((gradient * direction).sum(), expected, atol=1e-6, rtol=1e-3)


def test_batch_size_does_not_matter(small):
    backbone, encoded = small.build(), small.encoded(5)
    alone = [results(small, backbone, sequence[None]) for sequence in encoded]
    together = {name: torch.cat([one[name] for one in alone]) for name in alone[0]}
    assert_alike(results(small, backbone, encoded), together)


def test_bins_of_its_own_reach_are_those_of_a_shorter_sequence(small):
    backbone, encoded = small.build(), small.encoded()
    if not backbone.reach:
        pytest.skip("its bins depend on the whole sequence")
    with torch.no_grad():
        whole = backbone(encoded).tracks
        for first, last in ((0, 0), (1, 3), (2, small.geometry.bins - 1)):
            base = first * small.geometry.bin_size
            end = last * small.geometry.bin_size + backbone.reach
            torch.testing.assert_close(backbone(encoded[:, base:end]).tracks, whole[:, first : last + 1], **ALIKE)
        # No other base decides a bin.
        other = encoded.clone()
        other[:, small.geometry.bin_size + backbone.reach :] = 4
        torch.testing.assert_close(backbone(other).tracks[:, :2], whole[:, :2], **ALIKE)
        assert not torch.equal(backbone(other).tracks, whole)


def test_both_strands(small):
    backbone, here = small.build(), small.encoded()
    there = torch.from_numpy(windows.reverse_complement(here.numpy()).copy())
    assert torch.equal(other_strand(here), there) and torch.equal(as_one_hot(there), other_strand(as_one_hot(here)))
    both = results(small, backbone, here, reverse_complement=True)
    turned = results(small, backbone, there, reverse_complement=True)
    assert_alike(both, {name: tensor.flip(1) for name, tensor in turned.items()})
    forward, backward = (results(small, backbone, strand) for strand in (here, there))
    mean = {name: (forward[name] + backward[name].flip(1)) / 2 for name in both}
    assert_alike(both, mean)
    assert all((both[name] - forward[name]).abs().max() > 1e-4 for name in both)


def test_inference_gives_the_same_numbers(small):
    small.need("tracks")
    plain, ready, encoded = small.build(), small.build().train().for_inference(), small.encoded()
    assert not any(module.training for module in ready.modules())
    wanted, found = plain.predict(encoded), ready.predict(encoded)
    torch.testing.assert_close(found.tracks, wanted.tracks, **ALIKE)
    if "embedding" in small.offers:
        torch.testing.assert_close(found.embedding, wanted.embedding, **ALIKE)
        torch.testing.assert_close(ready.embed(encoded, 2), plain.embed(encoded, 2), **ALIKE)


@pytest.mark.parametrize("ready", [False, True])
def test_bfloat16_is_close_and_comes_as_float32(small, ready):
    small.need("tracks")
    encoded, rounded = small.encoded(), small.build()
    rounded.precision = "bf16"
    rounded = rounded.for_inference() if ready else rounded
    wanted, found = small.build().predict(encoded), rounded.predict(encoded)
    for one, other in zip(found, wanted, strict=True):
        if other is not None:
            errors = (one - other).norm(dim=(0, 1)) / other.norm(dim=(0, 1))
            assert one.dtype == torch.float32 and 0 < errors.mean() < 0.05


class TestWeights:
    def load(self, small, path, tracks=TRACKS):
        return small.type.load(path, small.geometry, small.settings, tracks)

    def test_round_trip(self, small, tmp_path):
        backbone, encoded = small.build(), small.encoded()
        for name in ("a", "b"):
            backbone.save(tmp_path / name)
        written = [sorted(path.rglob("*")) or [path] for path in (tmp_path / "a", tmp_path / "b")]
        assert [file.read_bytes() for file in written[0]] == [file.read_bytes() for file in written[1]]
        loaded = self.load(small, tmp_path / "a")
        assert all(parameter.requires_grad for parameter in loaded.parameters())
        found, wanted = (results(small, one.eval(), encoded) for one in (loaded, backbone))
        assert all(torch.equal(found[name], wanted[name]) for name in wanted)

    def test_without_tracks(self, small, tmp_path):
        small.need("embedding")
        backbone, encoded = small.build(), small.encoded()
        backbone.save(tmp_path / "weights")
        bare = self.load(small, tmp_path / "weights", tracks=None).for_inference()
        torch.testing.assert_close(bare.embed(encoded, 3), backbone.embed(encoded, 3), **ALIKE)

    def test_another_number_of_tracks(self, small, tmp_path):
        small.need("tracks")
        small.build().save(tmp_path / "weights")
        with pytest.raises(InputError, match="weights: .* 3 tracks, but the track table describes 5"):
            self.load(small, tmp_path / "weights", tracks=5)

    def test_absent(self, small, tmp_path):
        with pytest.raises(InputError, match="nothing"):
            self.load(small, tmp_path / "nothing")


class TestTrunk:
    def test_it_is_built_again_from_its_description(self, small, tmp_path):
        small.need("trunk")
        trunk, kind = small.build(tracks=None), Format("description", 1)
        write_tensors(tmp_path / "a.pt", kind, {"network": trunk.describe(), "state": trunk.state_dict()})
        assert json.loads(json.dumps(trunk.describe())) == trunk.describe()
        saved = read_tensors(tmp_path / "a.pt", kind)
        again = small.type.build(saved["network"], small.geometry, small.settings)
        assert (again.embedding(small.encoded()) - trunk.embedding(small.encoded())).abs().max() > 1e-3
        again.load_state_dict(saved["state"])
        assert again.describe() == trunk.describe() and again.embedding_width == trunk.embedding_width
        assert torch.equal(again.eval().embedding(small.encoded()), trunk.embedding(small.encoded()))
        # So does what fine-tuning starts from, the trunk of weights with tracks.
        whole = small.build()
        whole.save(tmp_path / "weights")
        again.load_state_dict(small.type.load(tmp_path / "weights", small.geometry, small.settings).state_dict())
        assert torch.equal(again.embedding(small.encoded()), whole.embedding(small.encoded()))

    def test_every_parameter_learns_and_checkpointing_changes_no_gradient(self, small):
        small.need("trunk")
        gradients = []
        for checkpointing in (False, True):
            trunk = small.build(tracks=None)
            trunk.embedding(small.encoded(), checkpointing).square().sum().backward()
            gradients.append({name: parameter.grad for name, parameter in trunk.named_parameters()})
        for name, gradient in gradients[0].items():
            assert gradient is not None and gradient.abs().max() > 0, name
            torch.testing.assert_close(gradients[1][name], gradient, atol=1e-4, rtol=1e-4, msg=name)

    def test_a_state_holds_every_tensor_once(self, small):
        small.need("trunk")
        places = [tensor.data_ptr() for tensor in small.build(tracks=None).state_dict().values()]
        assert len(places) == len(set(places))


def test_attention(small):
    small.need("attention")
    backbone, encoded = small.build().train(), small.encoded()
    bins = small.geometry.sequence_length // small.geometry.bin_size
    rows = torch.stack([backbone.attend(encoded, query) for query in range(bins)], dim=1)
    assert rows.shape == (3, bins, bins) and rows.dtype == torch.float32 and (rows >= 0).all()
    torch.testing.assert_close(rows.sum(dim=2), torch.ones(3, bins))
    assert rows.std(dim=0).mean() > 1e-4 and (rows[:, 1] - rows[:, 2]).abs().max() > 1e-3
    # Dropout and the batch play no part, and nothing is kept for gradients.
    assert torch.equal(rows[:, 2], backbone.attend(encoded, 2)) and not rows.requires_grad


def test_a_file_of_ones_own_is_found():
    name = Path(registry.find("backbones", TYPE).path).name
    assert name == "small_backbone.py" and TYPE not in registry.names("backbones")
