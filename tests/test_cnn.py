"""The CNN head's network: its shape, its own random streams, its file."""

import numpy as np
import pytest
import torch
from torch import nn

from chrom2expr.errors import InputError
from chrom2expr.heads import cnn, training

SMALL = {"tracks": 3, "bins": 16, "tissues": 4, "width": 6, "kernel_size": 3, "blocks": 2}


def _features(genes=5, bins=16, tracks=3, seed=3):
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 4, (genes, bins, tracks)).astype(np.float16))


def test_thesis_size_has_eight_convolutions_and_seven_positions_left():
    model = cnn.ExpressionCNN(40, 896, 218, width=16, kernel_size=5, blocks=7, dropout=0.2)
    assert sum(isinstance(part, nn.Conv2d) for part in model.modules()) == 8
    assert model.output.in_features == 16 * 7
    assert model(model.prepare(_features(2, 896, 40))).shape == (2, 218)


@pytest.mark.parametrize(("bins", "blocks"), [(16, 4), (17, 4), (200, 7), (7, 0)])
@pytest.mark.parametrize("kernel_size", [3, 4])
def test_any_number_of_bins_that_the_blocks_can_halve(bins, blocks, kernel_size):
    model = cnn.ExpressionCNN(3, bins, 4, width=6, kernel_size=kernel_size, blocks=blocks, dropout=0)
    assert model(model.prepare(_features(2, bins))).shape == (2, 4)


def test_agrees_with_the_figure_written_out():
    model = cnn.ExpressionCNN(**SMALL, dropout=0.5, seed=7).eval()
    x = model.prepare(_features())
    taps = nn.functional.pad(x[:, :, 0], (1, 1)).unfold(2, 3, 1)  # (gene, track, bin, tap)
    expected = torch.einsum("gtbk,wtk->gwb", taps, model.stem.weight[:, :, 0])[:, :, None]
    expected = expected + model.stem.bias[:, None, None]
    for block in model.blocks:
        mean, variance = (x[:, None, None] for x in (block.norm.running_mean, block.norm.running_var))
        normal = (expected - mean) / (variance + block.norm.eps).sqrt()
        gelu = normal * 0.5 * (1 + torch.erf(normal / 2**0.5))
        expected = expected + block.convolution(gelu)
        expected = expected.unflatten(3, (-1, 2)).amax(4)
    expected = expected.reshape(5, -1) @ model.output.weight.T + model.output.bias
    torch.testing.assert_close(model(x), expected)


def test_prediction_does_not_depend_on_the_batch():
    model = cnn.ExpressionCNN(**SMALL, dropout=0.5).eval()
    x = model.prepare(_features())
    torch.testing.assert_close(model(x), torch.cat([model(row[None]) for row in x]))


def test_tracks_of_zeros_behind_the_others_change_nothing():
    """A GPU is given them, so that their number suits its kernels."""
    model = cnn.ExpressionCNN(3, 16, 2, width=4, kernel_size=5, blocks=2, dropout=0)
    features = _features()
    padded = torch.nn.functional.pad(features, (0, 5))
    found = []
    for given in (features, padded):
        model.zero_grad()
        predicted = model(model.prepare(given))
        predicted.square().sum().backward()
        found.append([predicted, *(parameter.grad for parameter in model.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)
    padded[..., 3:] = 1
    torch.testing.assert_close(model(model.prepare(padded)), found[0][0], atol=1e-6, rtol=1e-5)


def test_transform_is_signed_and_exact():
    features = torch.tensor([[[0.0, -1.0, 60000.0]]], dtype=torch.float16)
    geometry = {**SMALL, "bins": 1, "blocks": 0, "dropout": 0}
    log1p = cnn.ExpressionCNN(**geometry, transform="log1p").prepare(features)
    assert log1p.flatten().tolist() == pytest.approx([0, -np.log(2), np.log1p(60000)])
    assert log1p.shape == (1, 3, 1, 1)
    assert cnn.ExpressionCNN(**geometry, transform="none").prepare(features).flatten().tolist() == [0, -1, 60000]


def test_bad_settings_name_the_key():
    with pytest.raises(InputError, match=r"16 bins .* 5 blocks.*settings: blocks to at most 4.*bins to at least 32"):
        cnn.ExpressionCNN(**{**SMALL, "blocks": 5}, dropout=0)
    with pytest.raises(InputError, match="transform is 'sqrt'"):
        cnn.ExpressionCNN(**SMALL, dropout=0, transform="sqrt")


def test_initial_weights_follow_from_the_seed_alone_and_leave_the_global_stream_alone():
    torch.manual_seed(1)
    first = cnn.ExpressionCNN(**SMALL, dropout=0, seed=5).state_dict()
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.rand(1))
    again = cnn.ExpressionCNN(**SMALL, dropout=0, seed=5).state_dict()
    other = cnn.ExpressionCNN(**SMALL, dropout=0, seed=6).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["stem.weight"], other["stem.weight"])


def test_dropout_keeps_the_mean_and_draws_anew_from_its_own_stream():
    dropout, twin = cnn.Dropout(0.25, seed=1), cnn.Dropout(0.25, seed=1)
    x = torch.ones(200, 500)
    first, second = dropout(x), dropout(x)
    assert first.mean().item() == pytest.approx(1, abs=0.01)
    assert (first == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert not torch.equal(first, second)
    torch.rand(3)
    assert torch.equal(twin(x), first) and torch.equal(twin(x), second)
    assert torch.equal(dropout.eval()(x), x)


def test_output_starts_at_the_training_means():
    start = np.array([-3.0, 0.5, 2.0, 8.0])
    model = cnn.ExpressionCNN(**SMALL, dropout=0, start=start)
    assert model.output.bias.tolist() == start.tolist()
    observed = np.array([[1, np.nan], [2, np.nan], [np.nan, np.nan]], dtype=np.float32)
    assert training.target_means(observed).tolist() == [1.5, 0]


def test_a_saved_model_predicts_the_same_and_saves_the_same_bytes(tmp_path):
    settings = {"width": 6, "kernel_size": 3, "blocks": 2, "transform": "none", "weight_decay": 0.1}
    network = {"shape": [16, 3], "tissues": 4, "settings": settings, "point": {"dropout": 0.3}}
    model = cnn.MultiTissueCNN.build(**network, seed=9).eval()
    metadata = {"network": network, "track_id": ["a", "b", "c"], "tissue": ["w", "x", "y", "z"], "inputs": {}}
    for name in ("one.pt", "two.pt"):
        cnn.MultiTissueCNN(model, [], metadata).save(tmp_path / name)
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "two.pt").read_bytes()
    loaded = cnn.MultiTissueCNN.load(tmp_path / "one.pt")
    assert torch.equal(loaded(_features()), model(model.prepare(_features())))
    assert loaded.metadata == metadata
