"""What the fast paths save, counted: multiplications, activations kept for gradients, decompositions. No clock is read."""

import cProfile
import json
import pstats
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from chrom2expr.backbones import beluga, enformer
from chrom2expr.backbones.backbone import one_hot
from chrom2expr.config import folds, overlays, runs, schema
from chrom2expr.genome.windows import Geometry
from chrom2expr.heads import ridge, ridge_fits
from chrom2expr.losses.hybrid import hybrid_loss
from test_enformer import GEOMETRY, encoded, network
from test_ridge import make_task

ROOT = Path(__file__).resolve().parents[1]


class Dispatched(TorchDispatchMode):
    """What PyTorch is asked to compute: `seen`, the names of its operations."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen.append(func.name())
        return func(*args, **kwargs or {})


def operations(work):
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        work()
    return counted.get_flop_counts()["Global"]


def kept(work):
    """Numbers that autograd keeps for the gradients of what `work` returns."""
    sizes = {}
    with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.update({x.data_ptr(): x.numel()}) or x, lambda x: x):
        work()
    return sum(sizes.values())


def test_enformer_multiplies_less_than_the_plain_network():
    """Of a pool of two neighbours the logits' difference is computed, not both; keys of the positions once for all."""
    plain, sequences = network(), encoded(1)
    of_plain = operations(lambda: plain(one_hot(sequences), head="human"))
    backbone = enformer.Enformer(network(), GEOMETRY).for_inference()
    ours = operations(lambda: backbone.predict(sequences))
    lengths = [GEOMETRY.sequence_length >> level for level in range(7)]
    widths = [plain.stem[0].out_channels, *(stage[0][2].out_channels for stage in plain.conv_tower)]
    pools = sum(width**2 * length for width, length in zip(widths, lengths, strict=True))  # a product is two operations
    assert sum(of_plain.values()) - sum(ours.values()) >= pools
    convolved = [found[torch.ops.aten.convolution] for found in (of_plain, ours)]
    assert convolved[0] - convolved[1] == pools


def test_enformers_convolutions_keep_less_for_their_gradients():
    nets = [network() for _ in range(2)]
    sequences = encoded(2)
    of_plain = kept(lambda: nets[0].train()(one_hot(sequences), head="human"))
    ours = enformer.Enformer(nets[1], GEOMETRY).train()
    assert kept(lambda: ours(sequences)) < 0.75 * of_plain


def test_beluga_shares_convolutions_among_windows():
    """Ten windows of 2,000 bp see each base: nearly all that is left of ten times the work is the dense layers."""
    geometry = Geometry.sliding(window=2000, bins=40, bin_size=200)
    backbone = beluga.Beluga(beluga.Network(tracks=3, window=2000, channels=[8, 12, 16], hidden=4).eval(), geometry)
    region = torch.from_numpy(np.random.default_rng(0).integers(0, 4, (1, geometry.sequence_length), dtype=np.uint8))
    windows = torch.cat([region[:, first : first + 2000] for first in range(0, 40 * 200, 200)])
    hot = one_hot(windows, beluga.CHANNELS).transpose(1, 2).unsqueeze(2)
    alone = operations(lambda: backbone.network(hot))[torch.ops.aten.convolution]
    ours = operations(lambda: backbone.predict(region))[torch.ops.aten.convolution]
    assert ours < alone / 4


def test_attention_of_the_tss_leaves_the_last_layer_out():
    net = network()
    backbone, called = enformer.Enformer(net, GEOMETRY), []
    for layer in net.transformer:
        layer.register_forward_hook(lambda *_: called.append(1))
    backbone.attend(encoded(1), 3)
    assert len(called) == len(net.transformer) - 1


def test_weights_are_rounded_once_for_bfloat16():
    """Autocast would round them in every pass."""
    backbone = enformer.Enformer(network(), GEOMETRY)
    backbone.precision = "bf16"
    backbone = backbone.for_inference()
    sequences = encoded(1)
    with Dispatched() as counted:
        backbone.predict(sequences)
    rounded = [name for name in counted.seen if name in ("aten::_to_copy", "aten::to.dtype")]
    # The bases and the embedding, on their ways in and out; of weights there would be dozens.
    assert len(rounded) < 10


@pytest.mark.parametrize("rounded", [False, True])
def test_the_tracks_layer_of_a_bfloat16_trunk_computes_in_float32(rounded):
    backbone, seen = enformer.Enformer(network(), GEOMETRY).eval(), []
    backbone.precision = "bf16"
    if rounded:
        backbone.for_inference()
    head = backbone.network.heads[enformer.HEAD][0]
    head.register_forward_hook(lambda _, given, found: seen.append((given[0].dtype, found.dtype)))
    backbone.network.final_pointwise.register_forward_hook(lambda _, __, found: seen.append(found.dtype))
    backbone.predict(encoded(1))
    assert seen == [torch.bfloat16, (torch.float32, torch.float32)]


def test_attention_takes_no_kernel_that_misreads_its_mask(monkeypatch):
    plain, asked = enformer.sdpa_kernel, []
    monkeypatch.setattr(enformer, "sdpa_kernel", lambda kernels: asked.append({*kernels}) or plain(kernels))
    enformer.Enformer(network(), GEOMETRY).for_inference().predict(encoded(1))
    assert asked and not any(SDPBackend.CUDNN_ATTENTION in kernels for kernels in asked)


def test_the_work_of_a_config_grows_with_its_runs(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    overlay = runpy.run_path(str(ROOT / "benchmarks/dry_run.py"))["overlay"]

    def calls(count):
        (tmp_path / "many.json").write_text(json.dumps(overlay(count)))
        config = overlays.read([ROOT / "config/config.yaml", tmp_path / "many.json"])
        profile = cProfile.Profile()
        assert len(profile.runcall(lambda: runs.figure_runs(folds.spread(schema.checked(config)), "many"))) == count
        return pstats.Stats(profile).total_calls

    calls(1)  # loads what is loaded once
    few, more, many = (calls(count) for count in (50, 100, 200))
    assert many - more < 1.1 * 2 * (more - few)


def test_ridge_factorises_once_a_penalty_for_all_tissues(monkeypatch):
    counted, plain = [], ridge_fits.Factor.__init__
    monkeypatch.setattr(ridge_fits.Factor, "__init__", lambda *given: counted.append(1) or plain(*given))
    task = make_task(missing=0.15)
    ridge.Ridge.fit(task)
    assert len(counted) == len(task.grid["penalty"]) < len(task.data.tissue)


def test_the_hybrid_loss_is_one_step_of_the_gradients():
    predicted, observed = torch.randn(2, 4, 24)
    loss = hybrid_loss(predicted.requires_grad_(), observed, 10, 1)
    assert [type(node).__name__ for node, _ in loss.grad_fn.next_functions if node] == ["AccumulateGrad"]
    with Dispatched() as counted:
        hybrid_loss(predicted, observed, 10, 1).backward()
    assert len(counted.seen) < 70
