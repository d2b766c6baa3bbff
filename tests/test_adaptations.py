"""What every adaptation must give, that of a file too, on a small Enformer and on a backbone of one's own."""

import doctest
from pathlib import Path

import jsonschema
import pytest
import torch

from chrom2expr import registry
from chrom2expr.backbones import backbone
from chrom2expr.heads import adaptation
from chrom2expr.heads.attention_pool import AttentionPool
from chrom2expr.heads.finetuned import FineTuned, FineTunedBackbone, Trunk
from small_backbone import TYPE
from test_backbones import Small

TISSUES = 4
NAMES = [*registry.names("adaptations"), f"{Path(__file__).parent}/own_files/biases.py:Biases"]


@pytest.fixture(params=["enformer", TYPE], ids=["enformer", "own"])
def small(request):
    return Small(request.param)


@pytest.fixture(params=NAMES, ids=lambda name: name.split("/")[-1])
def section(request):
    return {"type": request.param}


def adapted(small, section):
    """A fine-tuned network before its training, whose pool looks at some bins more than at others."""
    torch.manual_seed(1)
    trunk = small.build(tracks=None)
    pool = AttentionPool(trunk.embedding_width, TISSUES)
    with torch.no_grad():
        pool.score.weight += 0.1
    return FineTuned(trunk, pool, 3, adaptation.build(section))


def test_what_it_declares(section):
    schema = registry.find("adaptations", section["type"]).declares["schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    # Every key has a default: the type alone names a whole section.
    assert all("default" in rules and rules["description"] for rules in schema["properties"].values())


def test_it_starts_from_the_backbone_and_ends_in_eval_mode(small, section):
    network, encoded = adapted(small, section), small.encoded()
    network.train().eval()
    assert not any(module.training for module in network.modules())
    expected = small.build(tracks=None).embedding(encoded)
    torch.testing.assert_close(network.trunk.embedding(encoded), expected)


def test_a_step_changes_what_is_trained_and_a_saved_model_predicts_the_same(small, section, tmp_path):
    network, encoded = adapted(small, section), small.encoded()
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.01)
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    network.train()(encoded).square().mean().backward()
    optimiser.step()
    for name, parameter in network.named_parameters():
        assert torch.equal(parameter, before[name]) != parameter.requires_grad, name
    assert network.pool.output.weight.requires_grad
    trunk = Trunk(small.name, tmp_path, small.geometry, 3, small.settings, section, "")
    head = FineTunedBackbone(network, [], {"trunk": trunk.describe(network.trunk), "tissue": list("abcd")})
    head.save(tmp_path / "model.pt")
    loaded = FineTunedBackbone.load(tmp_path / "model.pt")
    assert torch.equal(loaded(encoded), head(encoded))
    trained = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    assert trained == [name for name, parameter in loaded.network.named_parameters() if parameter.requires_grad]


def test_gradients_reach_one_hot_whatever_is_trained(small, section):
    network = adapted(small, section).eval()
    hot = backbone.as_one_hot(small.encoded()).contiguous().requires_grad_()
    network(hot).sum().backward()
    assert hot.grad.abs().amax(dim=(1, 2)).min() > 0


@pytest.mark.parametrize("module", [backbone, adaptation])
def test_examples_in_docstrings(module):
    result = doctest.testmod(module)
    assert result.attempted and not result.failed
