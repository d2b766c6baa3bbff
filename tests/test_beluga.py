"""Beluga against the same network window by window, its strands, and its checkpoints."""

import gzip

import numpy as np
import pytest
import torch
from torch.nn import functional

from chrom2expr.backbones import beluga
from chrom2expr.backbones.backbone import one_hot
from chrom2expr.errors import InputError
from chrom2expr.genome import windows
from chrom2expr.genome.windows import Geometry

SIZES = {"channels": (6, 8, 10), "hidden": 12}
TRACKS = 7


def network(window: int) -> beluga.Network:
    torch.manual_seed(0)
    net = beluga.Network(TRACKS, window, **SIZES).eval()
    for parameter in net.parameters():  # larger weights than the default, so that the sigmoid's output varies
        parameter.data *= 3
    return net


def encoded(batch: int, length: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 5, (batch, length), dtype=np.uint8))


def window_by_window(state: dict[str, torch.Tensor], sequence: torch.Tensor, window: int, step: int) -> torch.Tensor:
    """The published network, written out on the bare tensors, for one region (length,) of encoded."""
    predictions = []
    for start in range(0, len(sequence) - window + 1, step):
        x = torch.zeros(1, 4, 1, window, dtype=state["model.0.0.weight"].dtype)
        for position, code in enumerate(sequence[start : start + window].tolist()):
            if code < 4:
                x[0, "AGCT".index("ACGT"[code]), 0, position] = 1
        for layer in (0, 2, 6, 8, 12, 14):
            x = functional.relu(functional.conv2d(x, state[f"model.0.{layer}.weight"], state[f"model.0.{layer}.bias"]))
            if layer in (2, 8):
                x = functional.max_pool2d(x, (1, 4), (1, 4))
        x = x.reshape(1, -1)
        x = functional.relu(x @ state["model.1.2.1.weight"].T + state["model.1.2.1.bias"])
        predictions.append(torch.sigmoid(x @ state["model.1.4.1.weight"].T + state["model.1.4.1.bias"]))
    return torch.cat(predictions)


@pytest.mark.parametrize(
    ("window", "step"), [(2000, 200), (400, 200), (402, 50), (400, 16), (402, 34), (400, 400), (320, 8)]
)
def test_scan_is_window_by_window(window, step):
    # In float64, so that only a wrong window, not rounding, can make a difference.
    net, geometry = network(window).double(), Geometry.sliding(window=window, bins=6, bin_size=step)
    sequences = encoded(2, geometry.sequence_length)
    regions = one_hot(sequences, beluga.CHANNELS).double().transpose(1, 2).unsqueeze(2)
    found = net.scan(regions, step)
    expected = torch.stack([window_by_window(net.state_dict(), sequence, window, step) for sequence in sequences])
    assert found.shape == (2, 6, TRACKS)
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
    single = beluga.Beluga(network(window), geometry).predict(sequences).tracks
    torch.testing.assert_close(single.double(), expected, atol=5e-6, rtol=0)


def test_published_layout():
    with torch.device("meta"):
        shapes = {name: tuple(tensor.shape) for name, tensor in beluga.Network().state_dict().items()}
    expected = {
        "model.0.0": (320, 4, 1, 8),
        "model.0.2": (320, 320, 1, 8),
        "model.0.6": (480, 320, 1, 8),
        "model.0.8": (480, 480, 1, 8),
        "model.0.12": (640, 480, 1, 8),
        "model.0.14": (640, 640, 1, 8),
        "model.1.2.1": (2003, 67840),
        "model.1.4.1": (2002, 2003),
    }
    biases = {f"{name}.bias": shape[:1] for name, shape in expected.items()}
    assert shapes == {f"{name}.weight": shape for name, shape in expected.items()} | biases


def test_strands():
    geometry = Geometry.sliding(window=400, bins=5, bin_size=200)
    backbone = beluga.Beluga(network(400), geometry)
    here = encoded(2, geometry.sequence_length)
    there = torch.from_numpy(windows.reverse_complement(here.numpy()).copy())
    both = backbone.predict(here, reverse_complement=True).tracks
    torch.testing.assert_close(both, backbone.predict(there, reverse_complement=True).tracks.flip(1), atol=1e-7, rtol=0)
    mean = (backbone.predict(here).tracks + backbone.predict(there).tracks.flip(1)) / 2
    torch.testing.assert_close(both, mean, atol=1e-7, rtol=0)
    assert (both - backbone.predict(here).tracks).abs().max() > 1e-3


def test_gradients_flow_through_scan():
    net = network(400).train()
    regions = torch.randn(2, 4, 1, 800)
    net.scan(regions, 200).mean().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


class TestCheckpoint:
    geometry = Geometry.sliding(window=400, bins=5, bin_size=200)

    def load(self, path, tracks=TRACKS):
        return beluga.Beluga.load(path, self.geometry, SIZES, tracks).for_inference()

    def test_round_trip(self, tmp_path):
        net = network(400)
        for name in ("a.pth", "b.pth"):
            beluga.Beluga(net, self.geometry).save(tmp_path / name)
        assert (tmp_path / "a.pth").read_bytes() == (tmp_path / "b.pth").read_bytes()
        sequences = encoded(1, self.geometry.sequence_length)
        expected = beluga.Beluga(net, self.geometry).predict(sequences).tracks
        assert torch.equal(self.load(tmp_path / "a.pth").predict(sequences).tracks, expected)

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda state: state.pop("model.0.6.bias"), r"1 missing: model\.0\.6\.bias"),
            (lambda state: state.update(more=torch.zeros(1)), "1 not of this network: more"),
            (lambda state: state.update({"model.0.0.bias": torch.zeros(2)}), r"model\.0\.0\.bias \(2,\), expected \(6"),
            (lambda state: state.clear(), r"16 missing: model\.0\.0\.weight, .*…"),
        ],
    )
    def test_tensors_that_do_not_fit(self, tmp_path, damage, message):
        state = dict(network(400).state_dict())
        damage(state)
        torch.save(state, tmp_path / "weights.pth")
        with pytest.raises(InputError, match=f"weights.pth: .*{message}"):
            self.load(tmp_path / "weights.pth")

    def test_truncated(self, tmp_path):
        beluga.Beluga(network(400), self.geometry).save(tmp_path / "weights.pth")
        whole = (tmp_path / "weights.pth").read_bytes()
        for content in (whole[: len(whole) // 2], b"no checkpoint", gzip.compress(whole)):
            (tmp_path / "weights.pth").write_bytes(content)
            with pytest.raises(InputError, match="weights.pth: not a readable checkpoint"):
                self.load(tmp_path / "weights.pth")

    def test_absent_or_not_tensors(self, tmp_path):
        with pytest.raises(InputError, match="weights.pth: no such checkpoint"):
            self.load(tmp_path / "weights.pth")
        torch.save({"epoch": 3}, tmp_path / "weights.pth")
        with pytest.raises(InputError, match="weights.pth: not a state dict"):
            self.load(tmp_path / "weights.pth")

    def test_other_number_of_tracks(self, tmp_path):
        beluga.Beluga(network(400), self.geometry).save(tmp_path / "weights.pth")
        with pytest.raises(InputError, match="weights.pth: .* 7 tracks, but the track table describes 9"):
            self.load(tmp_path / "weights.pth", tracks=9)
