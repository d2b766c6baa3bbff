"""What every loss must do, chrom2expr's own and those of files and packages."""

from pathlib import Path

import numpy as np
import pytest
import torch

from chrom2expr import registry
from chrom2expr.losses.loss import build

HERE = Path(__file__).parent


def sections():
    """A section of the config for every loss: defaults, or 1 for what has none; and each number at 0."""
    for name in [*registry.names("losses"), f"{HERE}/own_files/pairwise.py:Pairwise"]:
        settings = registry.find("losses", name).declares.get("schema", {}).get("properties", {})
        usual = {key: rules.get("default", 1) for key, rules in settings.items()}
        yield {"type": name, **usual}
        for key, rules in settings.items():
            if rules.get("type") == "number" and rules.get("minimum") == 0:
                yield {"type": name, **usual, key: 0}


@pytest.fixture(params=sections(), ids=lambda section: str({**section, "type": section["type"].split("/")[-1]}))
def loss(request):
    made = build(request.param)
    made.prepare(training(), 1e-4, [f"tissue{number}" for number in range(7)])
    return made


def training():
    observed = np.random.default_rng(0).normal(-3, 2, (40, 7)).astype(np.float32)
    observed[3, 2], observed[5] = np.nan, np.nan
    return observed


def batch(genes=12, seed=1):
    random = np.random.default_rng(seed)
    observed = random.normal(-3, 2, (genes, 7))
    observed[0, 1], observed[2, 3:] = np.nan, np.nan
    return torch.from_numpy(random.normal(-3, 2, (genes, 7))), torch.from_numpy(observed)


def test_it_is_a_number_that_falls_where_predictions_improve(loss):
    predicted, observed = batch()
    perfect = torch.where(observed.isnan(), predicted, observed)
    assert loss(predicted, observed).shape == ()
    values = [loss(perfect + share * (predicted - perfect), observed).item() for share in (0, 0.01, 1)]
    assert values[0] < values[1] < values[2]


def test_its_gradient_is_that_of_its_value(loss):
    predicted, observed = batch()
    assert torch.autograd.gradcheck(lambda values: loss(values, observed), predicted.requires_grad_())


def test_what_is_missing_has_no_say(loss):
    predicted, observed = batch()
    other = torch.where(observed.isnan(), predicted + 100, predicted)
    torch.testing.assert_close(loss(other, observed), loss(predicted, observed))
    assert loss(predicted.float(), torch.full_like(observed, torch.nan).float()).item() == 0


def test_genes_weigh_the_same_whatever_their_batches(loss):
    # Where every gene has all values, so that none is left out.
    predicted, observed = batch()
    observed = observed.nan_to_num(1.0)
    halves = [loss(predicted[part], observed[part]) for part in (slice(6), slice(6, 12))]
    torch.testing.assert_close(sum(halves) / 2, loss(predicted, observed))
    order = torch.randperm(12)
    torch.testing.assert_close(loss(predicted[order], observed[order]), loss(predicted, observed))


def test_its_state_is_all_that_it_needs(loss):
    other = build(loss.section)
    other.restore(loss.state())
    predicted, observed = batch()
    assert torch.equal(other(predicted, observed), loss(predicted, observed))


def test_its_traits_are_true(loss):
    predicted, observed = batch()
    if loss.has("one_tissue"):
        each = torch.stack([loss(predicted[:, [column]], observed[:, [column]]) for column in range(7)])
        torch.testing.assert_close(loss.of_each_tissue(predicted, observed), each)
        assert (each > 0).all()
    if loss.has("squared_error"):
        full = observed.nan_to_num(1.0)
        squares = (predicted - full).square().mean()
        ratio = loss(predicted, full) / squares
        torch.testing.assert_close(loss(predicted * 2, full) / (predicted * 2 - full).square().mean(), ratio)


def test_a_loss_without_a_trait_is_not_said_to_have_it():
    assert not build({"type": "hybrid", "alpha": 1, "beta": 1}).has("squared_error")
    assert build({"type": "hybrid", "alpha": 0, "beta": 1}).has("squared_error")
    assert not build({"type": f"{HERE}/own_files/pairwise.py:Pairwise", "level": 0.1}).has("one_tissue")
