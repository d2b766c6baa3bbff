"""The hybrid loss against scipy, its gradient against finite differences, and the genes that have no Pearson."""

import numpy as np
import pytest
import torch
from scipy import stats

from chrom2expr.losses.hybrid import hybrid_loss

NAN = float("nan")


def _example(genes=6, tissues=9, missing=0.2, seed=1):
    random = np.random.default_rng(seed)
    predicted, observed = random.normal(size=(2, genes, tissues))
    observed[random.random(observed.shape) < missing] = NAN
    return torch.from_numpy(predicted), torch.from_numpy(observed)


def _reference(predicted, observed, alpha, beta):
    """Gene by gene, with scipy's Pearson."""
    pearson, squares = [], []
    for p, o in zip(predicted.numpy(), observed.numpy()):
        p, o = p[~np.isnan(o)], o[~np.isnan(o)]
        if len(o):
            squares.append(np.mean((p - o) ** 2))
        if len(o) > 1 and np.ptp(o) > 0 and np.ptp(p) > 0:
            pearson.append(1 - stats.pearsonr(p, o).statistic)
    return alpha * np.mean(pearson) + beta * np.mean(squares)


@pytest.mark.parametrize(("alpha", "beta"), [(0, 1), (0.1, 1), (1, 1), (100, 1), (1, 0)])
@pytest.mark.parametrize("missing", [0, 0.3])
def test_agrees_with_scipy_gene_by_gene(alpha, beta, missing):
    predicted, observed = _example(genes=40, missing=missing)
    observed[0], observed[1, 1:], observed[2] = NAN, NAN, 3.0
    predicted[3] = -0.1
    assert hybrid_loss(predicted, observed, alpha, beta).item() == pytest.approx(
        _reference(predicted, observed, alpha, beta), rel=1e-10
    )


@pytest.mark.parametrize(("alpha", "beta"), [(0, 1), (2, 1), (1, 0)])
def test_gradient_agrees_with_finite_differences(alpha, beta):
    predicted, observed = _example()
    observed[2], observed[3] = 0.7, NAN
    assert torch.autograd.gradcheck(lambda p: hybrid_loss(p, observed, alpha, beta), predicted.requires_grad_())


@pytest.mark.parametrize("value", [0.0, 0.1, -9.2103])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_constant_gene_is_left_out_of_the_pearson_term_and_never_gives_nan(value, dtype):
    predicted, observed = (x.to(dtype) for x in _example(missing=0))
    rest = hybrid_loss(predicted[2:], observed[2:], 1, 0)
    predicted[0], observed[1] = value, value
    predicted.requires_grad_()
    loss = hybrid_loss(predicted, observed, 1, 0)
    loss.backward()
    torch.testing.assert_close(loss.detach(), rest)
    assert predicted.grad.isfinite().all()
    assert not predicted.grad[:2].any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_predictions_may_be_rounded_more_than_targets(dtype):
    predicted, observed = _example(genes=40, missing=0)
    observed[1:] = _example(genes=40)[1][1:]
    rounded = predicted.to(dtype).requires_grad_()
    # Neighbours in their own type, which no correlation can be told from.
    rounded.data[0] = 1
    rounded.data[0, 0] = 1 + torch.finfo(dtype).eps
    same = rounded.detach().double().requires_grad_()
    same.data[0] = 1
    for values, targets in ((rounded, observed.float()), (same, observed)):
        hybrid_loss(values, targets, 1, 1).backward()
    assert rounded.grad.dtype == dtype and not hybrid_loss(rounded[:1], observed[:1].float(), 1, 0).item()
    torch.testing.assert_close(rounded.grad, same.grad.to(dtype), atol=1e-3, rtol=2e-2)


def test_no_gene_left_gives_zero_with_a_finite_gradient():
    predicted = torch.ones(3, 5, requires_grad=True)
    observed = torch.full((3, 5), NAN)
    observed[0] = 2.0
    loss = hybrid_loss(predicted, observed, 1, 0)
    loss.backward()
    assert loss.item() == 0
    assert not predicted.grad.any()
    assert hybrid_loss(predicted, torch.full((3, 5), NAN), 1, 1).item() == 0


def test_a_missing_value_has_no_gradient():
    predicted, observed = _example()
    hybrid_loss(predicted.requires_grad_(), observed, 1, 1).backward()
    assert not predicted.grad[observed.isnan()].any()
    assert predicted.grad[~observed.isnan()].all()


def test_a_term_of_weight_zero_is_not_computed(monkeypatch):
    def fail(*_, **__):
        raise AssertionError("computed")

    monkeypatch.setattr(torch.linalg, "vector_norm", fail)
    predicted, observed = _example()
    hybrid_loss(predicted, observed, 0, 1)
    with pytest.raises(AssertionError, match="computed"):
        hybrid_loss(predicted, observed, 1, 1)
    monkeypatch.undo()
    # The square of 1e30 is infinite in float32, and 0 times infinity would be NaN.
    assert hybrid_loss(predicted.float() * 1e15, observed.float() * 1e30, 0, 0).item() == 0


def test_a_diverged_prediction_gives_nan_and_not_a_loss_without_its_gene():
    predicted, observed = _example(missing=0)
    assert hybrid_loss(predicted.float() * 1e30, observed.float(), 1, 0).isnan()  # their squares are infinite
    for broken in (NAN, float("inf")):
        predicted[0, 0] = broken
        assert hybrid_loss(predicted, observed, 1, 0).isnan()
    observed[0] = 2  # a gene that has no correlation
    assert hybrid_loss(predicted, observed, 1, 0).isnan()


def test_pearson_term_does_not_see_level_or_scale():
    predicted, observed = (x.float() for x in _example())
    torch.testing.assert_close(hybrid_loss(predicted * 3 - 5, observed, 1, 0), hybrid_loss(predicted, observed, 1, 0))
