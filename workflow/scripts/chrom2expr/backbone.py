"""What every backbone gives, and what both do alike: one-hot input, both strands, checkpoints loaded exactly.

A backbone room (enformer, beluga) offers `load(weights, geometry, tracks, settings, device) -> Backbone`.
"""

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from chrom2expr.errors import InputError, system_trouble
from chrom2expr.files import whole_file
from chrom2expr.tensors import load_exactly, save  # noqa: F401
from chrom2expr.windows import BASES, N


class Prediction(NamedTuple):
    """What a backbone says of a batch of sequences, bins in genomic order."""

    tracks: Tensor  # (batch, bin, track) float32
    embedding: Tensor | None  # (batch, bin, width) float32, the layer below the tracks; None if the backbone has none


class Backbone(nn.Module):
    """A trained network that reads sequence codes and predicts tracks; a subclass defines `forward`."""

    embedding_width: int | None = None
    software: tuple[str, ...] = ("torch",)  # the installed packages that decide its numbers

    def forward(self, codes: Tensor) -> Prediction:
        """Prediction for codes (batch, length) uint8, read on the strand they are given."""
        raise NotImplementedError

    @torch.inference_mode()
    def predict(self, codes: Tensor, reverse_complement: bool = False) -> Prediction:
        """Float32 prediction for codes (batch, length) uint8 on the network's device; bfloat16 autocast on CUDA.

        With `reverse_complement` it is the mean of both strands, the other strand's bins turned back round.
        """
        strands = [codes, other_strand(codes)] if reverse_complement else [codes]
        predictions = []
        for strand in strands:
            with torch.autocast("cuda", torch.bfloat16, enabled=codes.device.type == "cuda"):
                tracks, embedding = self(strand)
            predictions.append(Prediction(tracks.float(), None if embedding is None else embedding.float()))
        if not reverse_complement:
            return predictions[0]
        return Prediction(
            *(None if here is None else (here + there.flip(1)) / 2 for here, there in zip(*predictions, strict=True))
        )


def other_strand(codes: Tensor) -> Tensor:
    """Reverse complement of codes (batch, length) uint8, on their device."""
    return torch.tensor([3, 2, 1, 0, N], dtype=torch.uint8, device=codes.device)[codes.flip(-1).int()]


def one_hot(codes: Tensor, channels: str = BASES) -> Tensor:
    """One-hot (batch, length, 4) float32 of codes (batch, length) uint8, in the order of `channels`; N is all zeros."""
    table = torch.zeros(N + 1, len(BASES), device=codes.device)
    for channel, base in enumerate(channels):
        table[BASES.index(base), channel] = 1
    return table[codes.int()]


def check_track_count(weights: Path, predicted: int, described: int) -> None:
    """Raise InputError unless the weights predict as many tracks as the track table describes."""
    if predicted != described:
        raise InputError(
            f"{weights}: these weights predict {predicted:,} tracks, but the track table describes {described:,}; "
            "give the backbone the track table that belongs to its weights (config: backbones: NAME: tracks)"
        )


# What torch and safetensors raise over a file that is not what it should be, or that the system does not give them.
_UNREADABLE = (
    OSError,
    MemoryError,
    EOFError,
    RuntimeError,
    ValueError,
    KeyError,
    UnpicklingError,
    SafetensorError,
)


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The state dict, on the CPU, in a .safetensors file or one written by torch.save; InputError if it is neither."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such checkpoint; download it again or correct the path in the config") from None
    except _UNREADABLE as error:
        if trouble := system_trouble(error, path):
            raise trouble from error
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{path}: not a readable checkpoint ({reason}); download it again") from None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path}: not a state dict (a mapping of names to tensors); save the network's state_dict()")
    return dict(state)


def write_checkpoint(state_dict: Mapping[str, Tensor], path: Path) -> None:
    """Write a state dict with torch.save, whole or not at all, the same bytes for the same tensors."""
    with whole_file(path) as partial, open(partial, "wb") as handle:
        save({name: value.detach().cpu().contiguous() for name, value in state_dict.items()}, handle, path)
