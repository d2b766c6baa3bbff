"""What the fast paths save, counted: multiplications, activations kept for gradients, decompositions. No clock is read."""

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from chrom2expr.backbones import beluga, enformer
from chrom2expr.backbones.backbone import one_hot
from chrom2expr.genome.windows import Geometry
from chrom2expr.heads import ridge, ridge_fits
from chrom2expr.losses.hybrid import hybrid_loss
from test_enformer import GEOMETRY, encoded, network
from test_ridge import make_task


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
