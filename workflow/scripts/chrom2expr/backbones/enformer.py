"""Enformer (Avsec et al. 2021) through enformer-pytorch: weights in the hub's layout, and fast exact inference.

The hub's layout is a folder with `config.json` and `pytorch_model.bin` (or `model.safetensors`). The state dict there
holds every tensor of the trunk twice, once under `_trunk.`: a file may have either or both, and ours have the first.
"""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Self

import torch
from enformer_pytorch import Enformer as Network
from enformer_pytorch import EnformerConfig
from enformer_pytorch.modeling_enformer import (
    TF_GAMMAS,
    Attention,
    AttentionPool,
    get_positional_embed,
    relative_shift,
)
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

from chrom2expr.backbones.backbone import (
    Backbone,
    Prediction,
    as_one_hot,
    check_track_count,
    read_checkpoint,
    write_checkpoint,
)
from chrom2expr.errors import InputError
from chrom2expr.files.foreign import START, foreign
from chrom2expr.files.tensors import load_exactly
from chrom2expr.files.whole import write_json
from chrom2expr.genome.windows import Geometry

CONFIG, CHECKPOINTS = "config.json", ("pytorch_model.bin", "model.safetensors")
HEAD = "human"
COPIES = "_trunk."
# Keys of a network's config that its geometry, settings and tracks decide, or that describe no network.
GIVEN = {"output_heads", "target_length", "use_tf_gamma", "use_checkpointing", "model_type", "transformers_version"}


def build(config: Mapping[str, Any]) -> Network:
    """A plain, trainable enformer-pytorch network with fresh weights, from the keys of a hub `config.json`."""
    return Network(EnformerConfig(**config))


def read(weights: Path, geometry: Geometry, use_tf_gamma: bool = False, positional_basis: str = "library") -> Network:
    """The plain enformer-pytorch network of a weights folder, set to the geometry's bins; trainable.

    `use_tf_gamma` and `positional_basis` as in `build_for`. Raises InputError if config or checkpoint is missing,
    unreadable or does not fit the network or the geometry.
    """
    weights = Path(weights)
    config = _read_config(weights / CONFIG)
    checkpoint = next((weights / name for name in CHECKPOINTS if (weights / name).is_file()), None)
    if checkpoint is None:
        raise InputError(f"{weights}: holds no {' or '.join(CHECKPOINTS)}; put the checkpoint beside {CONFIG}")
    network = build_for(geometry, config, str(weights / CONFIG), use_tf_gamma, positional_basis)
    state = _by_own_names(read_checkpoint(checkpoint), network)
    load_exactly(WithoutCopies(network), state, checkpoint)
    return network


def _by_own_names(state: Mapping[str, Tensor], network: Network) -> dict[str, Tensor]:
    """A checkpoint's tensors under the names of the network's modules, of which the trunk's have a second one each."""
    tensors = network.state_dict(keep_vars=True)
    names = {id(tensor): name for name, tensor in tensors.items() if not _is_copy(name)}
    own = {name: names[id(tensor)] for name, tensor in tensors.items() if _is_copy(name)}
    return {own.get(name, name): state[name] for name in sorted(state, key=_is_copy, reverse=True)}


def _is_copy(name: str) -> bool:
    return name.startswith(COPIES)


def build_for(
    geometry: Geometry,
    config: Mapping[str, Any],
    where: str,
    use_tf_gamma: bool = False,
    positional_basis: str = "library",
) -> Network:
    """`build`, set to the geometry's bins and to positional features; errors name `where` the config was read.

    `use_tf_gamma` takes the gamma features from the original TensorFlow code; they exist for 1,536 bins of the trunk
    (196,608 bp) only. At other lengths the library computes features for that length, which the network was not trained
    with; positional_basis "pretrained_slice" takes the middle of the 1,536 bins' table instead, so that a distance
    keeps the features that it was trained with. Raises InputError where network, geometry and these do not go together.
    """
    try:
        network = build({**config, "target_length": geometry.bins, "use_tf_gamma": use_tf_gamma})
    except (TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        raise InputError(f"{where}: describes no Enformer ({error})") from None
    _check_geometry(network, geometry, where)
    if positional_basis == "pretrained_slice":
        _take_pretrained_positions(network, geometry, where)
    elif positional_basis != "library":
        raise InputError(f"positional_basis is {positional_basis!r}: it must be library or pretrained_slice")
    return network


def save(network: Network, weights: Path) -> None:
    """Write a network to a folder as `read` reads it (enformer-pytorch's save_pretrained fails on the copies)."""
    weights = Path(weights)
    state = {name: tensor for name, tensor in network.state_dict().items() if not _is_copy(name)}
    write_checkpoint(state, weights / CHECKPOINTS[0])
    heads = {name: head[0].out_features for name, head in network.heads.items()}
    config = {**network.config.to_diff_dict(), "output_heads": heads}
    write_json(weights / CONFIG, config, indent=2, sort_keys=True)


class Enformer(Backbone):
    """Enformer as a backbone: tracks of the human head, and the embedding that the heads read.

    Takes `network` over, a plain one: its pools and attention are replaced by faster ones that give the same numbers
    and learn the same, and the second path to its trunk goes, so that a state dict holds every tensor once.
    """

    declares = {
        "api": 1,
        "offers": ["tracks", "embedding", "trunk", "attention"],
        "schema": {
            "description": "Enformer, as enformer-pytorch has it.",
            "properties": {
                "settings": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "use_tf_gamma": {
                            "type": "boolean",
                            "default": False,
                            "description": "Take the gamma positional features that it was pretrained with.",
                            "origin": "publisher",
                            "advice": "At 196,608 bp only: the window of an embedded source is shorter and takes "
                            "false.",
                        },
                        "positional_basis": {
                            "enum": ["library", "pretrained_slice"],
                            "default": "library",
                            "description": "Positional features of a window shorter than 196,608 bp: computed for it, "
                            "or the middle of those that it was pretrained with.",
                            "origin": "our choice",
                            "advice": "`library`: as enformer-pytorch computes them for the length of the window. "
                            "`pretrained_slice`: the middle of those at 1,536 bins.",
                        },
                    },
                },
                "network": {
                    "description": "Sizes of a small network in simulation.backbones, by enformer-pytorch's names.",
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "dim": {
                            "type": "integer",
                            "minimum": 2,
                            "multipleOf": 2,
                            "description": "Channels of the transformer.",
                        },
                        "depth": {"type": "integer", "minimum": 1, "description": "Layers of the transformer."},
                        "heads": {"type": "integer", "minimum": 1, "description": "Heads of its attention."},
                        "attn_dim_key": {
                            "type": "integer",
                            "minimum": 1,
                            "description": "Features of a head's keys.",
                        },
                        "dim_divisible_by": {
                            "type": "integer",
                            "minimum": 1,
                            "description": "Channels of the tower are rounded to multiples of it.",
                        },
                        "num_downsamples": {
                            "type": "integer",
                            "minimum": 3,
                            "description": "How often the sequence is halved: bins have 2 to this power bp (7).",
                        },
                        "dropout_rate": {
                            "type": "number",
                            "minimum": 0,
                            "exclusiveMaximum": 1,
                            "description": "Dropout in training.",
                        },
                    },
                },
            },
            "if": {
                "required": ["settings"],
                "properties": {
                    "settings": {"required": ["use_tf_gamma"], "properties": {"use_tf_gamma": {"const": True}}},
                },
            },
            "then": {
                "properties": {
                    "geometry": {
                        "required": ["sequence_length"],
                        "properties": {
                            "sequence_length": {
                                "const": 196608,
                                "description": "The only length that use_tf_gamma exists for.",
                            },
                        },
                    },
                },
            },
            "examples": [
                {
                    "geometry": {"sequence_length": 72, "bins": 7, "bin_size": 8},
                    "settings": {"use_tf_gamma": False, "positional_basis": "library"},
                    "network": {
                        "dim": 24,
                        "depth": 2,
                        "heads": 2,
                        "attn_dim_key": 4,
                        "dim_divisible_by": 4,
                        "num_downsamples": 3,
                    },
                },
            ],
        },
    }
    software = ("torch", "enformer-pytorch")

    def __init__(self, network: Network, geometry: Geometry) -> None:
        super().__init__(geometry)
        self.network, self.embedding_width = network, 2 * network.dim
        del network._trunk
        features = _positions(network.transformer[0][0].fn[1], geometry.sequence_length // geometry.bin_size)
        for layer in network.transformer:
            layer[0].fn[1] = KeptPositions(layer[0].fn[1], features)
        for stage in [network.stem, *network.conv_tower]:
            stage[-1] = PairPool(stage[-1])
            stage[1].fn = FusedConvBlock(stage[1].fn)
        for stage in network.conv_tower:
            stage[0] = FusedConvBlock(stage[0])
        network.final_pointwise[1] = FusedConvBlock(network.final_pointwise[1])

    @classmethod
    def load(cls, weights: Path, geometry: Geometry, settings: Mapping[str, Any], tracks: int | None = None) -> Self:
        network = read(weights, geometry, **settings)
        if tracks is None:
            network.heads.clear()
        elif HEAD not in network.heads:
            raise InputError(f"{Path(weights) / CONFIG}: output_heads has no {HEAD!r}, only {', '.join(network.heads)}")
        else:
            check_track_count(weights, network.heads[HEAD][0].out_features, tracks)
        return cls(network, geometry)

    @classmethod
    def build(
        cls, network: Mapping[str, Any], geometry: Geometry, settings: Mapping[str, Any], tracks: int | None = None
    ) -> Self:
        config = {**network, "output_heads": {} if tracks is None else {HEAD: tracks}}
        return cls(build_for(geometry, config, "network", **settings), geometry)

    def describe(self) -> dict[str, Any]:
        return {key: value for key, value in self.network.config.to_diff_dict().items() if key not in GIVEN}

    def save(self, weights: Path) -> None:
        save(self.network, weights)

    def for_inference(self) -> Self:
        """Its attention layers become FusedAttention, and its blocks are folded, which gives the same numbers.

        In bf16 its weights are rounded once, all but those of the tracks' layer, and activations stay in bfloat16:
        autocast would round weights in every pass, which on a CPU costs what the products save.
        """
        bins = self.geometry.sequence_length // self.geometry.bin_size
        features = positional_features(self.eval().network, bins)
        for layer in self.network.transformer:
            layer[0].fn[1] = FusedAttention(layer[0].fn[1], features)
        for module in self.network.modules():
            if isinstance(module, FusedConvBlock):
                module.fold()
        if self.precision == "bf16":
            for part in self.network.children():
                if part is not self.network.heads:
                    part.to(torch.bfloat16)
        return self.eval()

    def _autocast(self, sequence: Tensor) -> AbstractContextManager:
        rounded = self.network.stem[0].weight.dtype == torch.bfloat16
        return nullcontext() if rounded else super()._autocast(sequence)

    def forward(self, sequence: Tensor) -> Prediction:
        """In one pass through the trunk. Raises InputError where the tracks were left out when it was loaded."""
        if HEAD not in self.network.heads:
            raise InputError("this Enformer was loaded without its tracks")
        embedding, head = self.embedding(sequence), self.network.heads[HEAD]
        # One layer costs next to nothing in its own precision, and brings the tracks of a bfloat16 trunk closer.
        with torch.autocast(embedding.device.type, enabled=False):
            return Prediction(head(embedding.to(head[0].weight.dtype)), embedding)

    def embedding(self, sequence: Tensor, checkpointing: bool = False) -> Tensor:
        """Embedding (batch, bin, 2 * dim), with gradients.

        With `checkpointing` the activations within a stage of the tower or a layer of the transformer are computed
        again for the gradients instead of being kept.
        """

        def run(stage: nn.Module, features: Tensor) -> Tensor:
            # Reentrant checkpoints would give no gradients to what comes before the first trainable input.
            return checkpoint(stage, features, use_reentrant=False) if checkpointing else stage(features)

        network, features = self.network, as_one_hot(sequence)
        features = features.to(network.stem[0].weight.dtype)
        for stage in (network.stem, *network.conv_tower):
            features = run(stage, features)
        features = features.transpose(1, 2)
        for stage in (*network.transformer, network.crop_final, network.final_pointwise):
            features = run(stage, features)
        return features

    @torch.inference_mode()
    def attend(self, sequence: Tensor, query: int) -> Tensor:
        """Of a layer's attention only the query's row is kept, so that memory is that of the trunk's forward."""
        network = self.eval().network
        embedding = network.conv_tower(network.stem(as_one_hot(sequence))).transpose(1, 2)
        bins = embedding.shape[1]
        # Bin j is j - query away, which is row bins - 1 + j - query of the positions.
        distances = positional_features(network, bins)[bins - 1 - query : 2 * bins - 1 - query].to(sequence.device)
        total = torch.zeros(embedding.shape[:2], device=sequence.device)
        for layer in network.transformer:
            norm, attention, *_ = layer[0].fn
            total += _attention_row(attention, norm(embedding), distances, query)
            if layer is not network.transformer[-1]:
                embedding = layer(embedding)
        return total / len(network.transformer)


class KeptPositions(nn.Module):
    """enformer-pytorch's attention, to the bit, with positional features that are computed once for a number of bins.

    Every layer of the original computes them anew in every forward pass, in a third of all its kernels.
    """

    def __init__(self, attention: Attention, positions: Tensor) -> None:
        """`positions` (2 * bins - 1, feature): positional features of the distances -bins + 1 … bins - 1."""
        super().__init__()
        # The same names, so that the state dict of the network stays as it is.
        for name, child in attention.named_children():
            self.add_module(name, child)
        self.rel_content_bias, self.rel_pos_bias = attention.rel_content_bias, attention.rel_pos_bias
        self.heads, self.scale = attention.heads, attention.scale
        self.num_rel_pos_features, self.use_tf_gamma = attention.num_rel_pos_features, attention.use_tf_gamma
        self.register_buffer("positions", positions, persistent=False)

    def forward(self, embedding: Tensor) -> Tensor:
        """(batch, bin, width) -> (batch, bin, width); for another number of bins, the features are computed anew."""
        positions, bins = self.positions, embedding.shape[1]
        if len(positions) != 2 * bins - 1:
            positions = _positions(self, bins).to(embedding.device)
        query, key, value = (
            project(embedding).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (batch, head, bin, feature)
            for project in (self.to_q, self.to_k, self.to_v)
        )
        query = query * self.scale
        keys = self.to_rel_k(self.pos_dropout(positions)).unflatten(-1, (self.heads, -1)).transpose(0, 1)
        content = torch.einsum("bhid,bhjd->bhij", query + self.rel_content_bias, key)
        logits = content + relative_shift(torch.einsum("bhid,hjd->bhij", query + self.rel_pos_bias, keys))
        weights = self.attn_dropout(logits.softmax(dim=-1))
        attended = torch.einsum("bhij,bhjd->bhid", weights, value)
        return self.to_out(attended.transpose(1, 2).flatten(2))


class FusedAttention(nn.Module):
    """enformer-pytorch's attention in eval mode, exactly, for one number of bins.

    The keys of the relative positions depend on that number only, and are computed once; the rest is PyTorch's fused
    attention, with the content bias added to the queries and the position logits as its additive mask. That mask is a
    view of overlapping rows, which not every kernel reads right: those that do are named.
    """

    # On a GPU the second, since the first takes no mask there; on a CPU whichever it was.
    KERNELS = (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH)

    def __init__(self, attention: KeptPositions, positions: Tensor) -> None:
        """`positions` (2 * bins - 1, feature): positional features of the distances -bins + 1 … bins - 1."""
        super().__init__()
        self.attention = attention
        with torch.no_grad():
            keys = attention.to_rel_k(positions).unflatten(-1, (attention.heads, -1)).transpose(0, 1)
        # A row of zeros at both ends makes every row of the shifted logits start at a multiple of the number of bins,
        # the alignment that fused kernels want.
        self.register_buffer("keys", functional.pad(keys, (0, 0, 1, 1)), persistent=False)

    def forward(self, embedding: Tensor) -> Tensor:
        """(batch, bin, width) -> (batch, bin, width)."""
        plain = self.attention
        query, key, value = (
            project(embedding).unflatten(-1, (plain.heads, -1)).transpose(1, 2)  # (batch, head, bin, feature)
            for project in (plain.to_q, plain.to_k, plain.to_v)
        )
        query = query * plain.scale
        logits = (query + plain.rel_pos_bias) @ self.keys.transpose(-1, -2)  # (batch, head, bin, 2 * bins + 1)
        batch, heads, bins, row = logits.shape
        # Query i and key j are j - i apart, which is column bins + j - i of row i: a view, one step left a row.
        shifted = logits.as_strided(
            (batch, heads, bins, bins), (heads * bins * row, bins * row, row - 1, 1), storage_offset=bins
        )
        with sdpa_kernel([*self.KERNELS]):
            attended = functional.scaled_dot_product_attention(
                query + plain.rel_content_bias, key, value, attn_mask=shifted, scale=1.0
            )
        return plain.to_out(attended.transpose(1, 2).flatten(2))


class FusedConvBlock(nn.Sequential):
    """enformer-pytorch's BatchNorm, GELU, convolution, with fewer passes over the activations.

    Its GELU is x * sigmoid(SLOPE * x), which is SiLU of SLOPE * x, over SLOPE: the factors go into BatchNorm's weight
    and bias and the convolution's weight, so that there are two passes before the convolution rather than four, and
    gradients keep half as many activations.
    """

    SLOPE = 1.702

    def __init__(self, block: nn.Sequential) -> None:
        # The same children, so that the state dict of the network stays as it is.
        super().__init__(*block)
        self.slope = self.SLOPE

    @property
    def plain(self) -> bool:
        """Whether an adaptation has put nothing else in the place of its layers."""
        return type(self[0]) is nn.BatchNorm1d and type(self[2]) is nn.Conv1d

    @torch.no_grad()
    def fold(self) -> None:
        """Put the factors into the weights for good, in full precision before they are rounded; for inference alone."""
        if self.plain:
            self[0].weight *= self.slope
            self[0].bias *= self.slope
            self[2].weight /= self.slope
            self.slope = 1.0

    def forward(self, features: Tensor) -> Tensor:
        """(batch, channel, length) -> (batch, channel, length)."""
        if not self.plain:
            return super().forward(features)
        norm, _, convolution = self
        if norm.training:
            norm.num_batches_tracked.add_(1)
        features = functional.batch_norm(
            features,
            norm.running_mean,
            norm.running_var,
            norm.weight * self.slope,
            norm.bias * self.slope,
            norm.training,
            norm.momentum,
            norm.eps,
        )
        features = functional.silu(features, inplace=not torch.is_grad_enabled())
        weight = convolution.weight / self.slope
        return functional.conv1d(features, weight, convolution.bias, padding=convolution.padding)


class PairPool(nn.Module):
    """enformer-pytorch's attention pooling of neighbours (pool size 2) with half the work.

    A softmax over two logits is the sigmoid of their difference, and the logits are linear in the input, so they need
    computing for the differences of neighbours only.
    """

    def __init__(self, pool: AttentionPool) -> None:
        super().__init__()
        # The same name, so that the state dict of the network stays as it is.
        self.to_attn_logits = pool.to_attn_logits

    def forward(self, features: Tensor) -> Tensor:
        """(batch, channel, length) -> (batch, channel, length / 2)."""
        first, second = features[..., 0::2], features[..., 1::2]
        difference = second - first
        share = functional.conv1d(difference, self.to_attn_logits.weight.squeeze(-1)).sigmoid()
        return torch.addcmul(first, share, difference)


class PretrainedPositions(nn.Module):
    """Takes the place of an attention layer's dropout of positional features, and gives those of the pretraining.

    `table` (2 * 1536 - 1, feature) has a row for each distance; shorter sequences take its middle.
    """

    def __init__(self, table: Tensor, dropout: nn.Module) -> None:
        super().__init__()
        self.register_buffer("table", table, persistent=False)
        self.dropout = dropout

    def forward(self, positions: Tensor) -> Tensor:
        """(2 * bins - 1, feature), whose values do not matter -> (2 * bins - 1, feature)."""
        start = (len(self.table) - len(positions)) // 2
        return self.dropout(self.table[start : start + len(positions)].to(positions.dtype))


class WithoutCopies(nn.Module):
    """The modules of a network without the second path to its trunk: the names a checkpoint has without `_trunk.`."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        for name, child in network.named_children():
            if f"{name}." != COPIES:
                self.add_module(name, child)


def positional_features(network: Network, bins: int) -> Tensor:
    """Positional features (2 * bins - 1, feature) of the transformer's attention, as its layers see them in eval."""
    attention = network.transformer[0][0].fn[1]
    return attention.pos_dropout(_positions(attention, bins))


def _positions(attention: Attention | KeptPositions, bins: int) -> Tensor:
    """What enformer-pytorch computes for as many bins, before dropout or the pretraining's table takes its place."""
    features = attention.num_rel_pos_features
    return get_positional_embed(bins, features, torch.device("cpu"), use_tf_gamma=attention.use_tf_gamma)


def _attention_row(attention: Attention, embedding: Tensor, positions: Tensor, query: int) -> Tensor:
    """Attention weights (batch, bin) of one query in eval mode, averaged over the heads.

    embedding (batch, bin, width) is the layer's input; positions (bin, feature) are those of the bins' distances.
    """

    def by_head(features: Tensor) -> Tensor:
        return features.unflatten(-1, (attention.heads, -1))

    asked = by_head(attention.to_q(embedding[:, query])) * attention.scale  # (batch, head, feature)
    content = asked + attention.rel_content_bias[:, :, 0]
    position = asked + attention.rel_pos_bias[:, :, 0]
    logits = torch.einsum("bhf,bjhf->bhj", content, by_head(attention.to_k(embedding)))
    logits += torch.einsum("bhf,jhf->bhj", position, by_head(attention.to_rel_k(positions)))
    return logits.softmax(-1).mean(1)


def _take_pretrained_positions(network: Network, geometry: Geometry, where: str) -> None:
    """Give every attention layer the middle of the table that the published weights were trained with."""
    features = network.config.dim // network.config.heads
    bins, most = geometry.sequence_length // geometry.bin_size, (len(TF_GAMMAS) + 1) // 2
    if bins > most or features // 6 != TF_GAMMAS.shape[1]:
        raise InputError(
            f"{where}: positional_basis: pretrained_slice exists for at most {most:,} bins and the published width, "
            f"{TF_GAMMAS.shape[1]} gamma features; here are {bins:,} bins and {features // 6} features; set "
            "positional_basis: library"
        )
    table = get_positional_embed(most, features, torch.device("cpu"), use_tf_gamma=True)
    for layer in network.transformer:
        attention = layer[0].fn[1]
        attention.pos_dropout = PretrainedPositions(table, attention.pos_dropout)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: missing; the weights folder needs the {CONFIG} of its network") from None
    except ValueError as error:
        with open(path, "rb") as handle:
            told = foreign(handle.read(START))
        raise InputError(f"{path}: {f'is {told}' if told else f'not readable as JSON ({error})'}") from None
    if not isinstance(config, dict):
        raise InputError(f"{path}: holds no settings; it must be a JSON object")
    return config


def _check_geometry(network: Network, geometry: Geometry, where: str) -> None:
    """The network's bins must be the geometry's, cropped by a whole number on either side."""
    config, bin_size = network.config, 2**network.config.num_downsamples
    bins, remainder = divmod(geometry.sequence_length, bin_size)
    if geometry.bin_size != bin_size:
        raise InputError(
            f"{where}: bins of {bin_size} bp, but the config's geometry has bins of {geometry.bin_size} bp"
        )
    # Cropping an odd difference would lose a bin.
    if remainder or bins < geometry.bins or (bins - geometry.bins) % 2:
        raise InputError(
            f"{where}: {geometry.sequence_length:,} bp of sequence do not give {geometry.bins} bins of {bin_size} bp "
            "with the same number cropped on both sides; change sequence_length or bins in the config's geometry"
        )
    shape = (2 * bins - 1, config.dim // config.heads // 6)
    if network.use_tf_gamma and shape != tuple(TF_GAMMAS.shape):
        raise InputError(
            f"{where}: use_tf_gamma is for 196,608 bp and the published width only (it exists for 1,536 bins), here "
            f"are {bins:,} bins of {shape[1]} gamma features; set use_tf_gamma: false in the backbone's settings"
        )
