"""What a backbone is, whatever its network: from weights and sequences to tracks, an embedding, attention.

`Backbone` is all that the workflow asks of a sequence model. Beside it is what backbones share: one-hot input, both
strands, checkpoints loaded exactly.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, ClassVar, NamedTuple, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from chrom2expr.backbones.device import precision_of
from chrom2expr.errors import InputError, system_trouble
from chrom2expr.files.foreign import start_of
from chrom2expr.files.tensors import save
from chrom2expr.files.whole import whole_file
from chrom2expr.genome.windows import BASES, Geometry, N, middle


class Prediction(NamedTuple):
    """What a backbone says of a batch of sequences, bins in genomic order."""

    tracks: Tensor  # (batch, bin, track) float32
    embedding: Tensor | None  # (batch, bin, width) float32, the layer below the tracks; None if the backbone has none


class Backbone(nn.Module):
    """A sequence model, set to a geometry: a network that reads sequences and predicts what lies in their bins.

    `declares`, beside what all classes declare (see registry), holds `offers`, a list of what it does of these. A run
    that needs what is not among them is refused before any job, and the methods for it raise NotImplementedError.

    tracks: `forward`, and so `predict`.
    embedding: `embedding`, and so `embed`: the layer below the tracks, `embedding_width` wide.
    trunk: what gives the embedding can be trained further, by gradients of `embedding`.
    attention: `attend`.

    Its `schema` describes `settings`, which `load` takes, and `network`, which `build` takes; its first entry of
    `examples` is a section (geometry, settings, network) of a network so small that a test can build and run it.

    A sequence is encoded (batch, base) uint8, which is read fastest, or one-hot (batch, 4, base) float32 in the order
    A, C, G, T, with N all zeros, to which there are gradients; `as_one_hot` makes one of either. It is read on the
    strand that it is given; bins are in genomic order, all those of the geometry.
    """

    declares: ClassVar[Mapping[str, Any]]
    embedding_width: int | None = None
    # Bases that decide a bin, where each bin is decided by its own: bin i by those from i * bin_size on. A shorter
    # sequence then gives the bins whose bases it holds.
    reach: int | None = None
    # What `predict` and `embed` compute in, of device.PRECISIONS; set it before `for_inference`.
    precision: str = "auto"
    software: ClassVar[tuple[str, ...]] = ("torch",)  # the installed packages that decide its numbers

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        self.geometry = geometry

    @classmethod
    def load(cls, weights: Path, geometry: Geometry, settings: Mapping[str, Any], tracks: int | None = None) -> Self:
        """The trained network of a file or a folder of weights, on the CPU, plain and trainable.

        `tracks` is how many the track table describes; without it, no tracks are wanted, and a network that offers a
        trunk leaves their layers out. Raises InputError where the weights cannot be read, do not fit the geometry or
        the settings, or predict another number of tracks.
        """
        raise NotImplementedError

    @classmethod
    def build(
        cls, network: Mapping[str, Any], geometry: Geometry, settings: Mapping[str, Any], tracks: int | None = None
    ) -> Self:
        """The network without trained weights: fresh ones, from PyTorch's random stream; else what `load` gives.

        `network` holds its sizes, as `describe` gives them. `load_state_dict` takes the state of a loaded one.
        """
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """What `build` takes as `network` to give this one again: numbers, texts, lists and dictionaries of these."""
        raise NotImplementedError

    def save(self, weights: Path) -> None:
        """Write the weights as `load` reads them."""
        raise NotImplementedError

    def for_inference(self) -> Self:
        """The network in eval mode, for `predict` and `embed` only: faster layers may take others' places."""
        return self.eval()

    def forward(self, sequence: Tensor) -> Prediction:
        """Tracks of a sequence in either form, and the embedding if there is one."""
        raise self._not_offered("tracks")

    def embedding(self, sequence: Tensor, checkpointing: bool = False) -> Tensor:
        """Embedding (batch, bin, width) of a sequence in either form.

        With `checkpointing`, less is kept for the gradients and computed again, where the network can do that.
        """
        raise self._not_offered("embedding")

    def attend(self, sequence: Tensor, query: int) -> Tensor:
        """How much the bin `query` attends to every bin: (batch, bin) float32, averaged over layers and heads.

        Rows sum to one. `query` counts all bins of the sequence, and a row has them all: none is cropped here. The
        network is put into eval mode, and there are no gradients.
        """
        raise self._not_offered("attention")

    def _not_offered(self, what: str) -> NotImplementedError:
        return NotImplementedError(f"{type(self).__name__} offers no {what} (see its `declares`)")

    @torch.inference_mode()
    def predict(self, sequence: Tensor, reverse_complement: bool = False) -> Prediction:
        """Float32 prediction of a sequence on the network's device, computed in its `precision`.

        With `reverse_complement` it is the mean of both strands, the other strand's bins turned back round.
        """
        return self.read(sequence, reverse_complement)

    @torch.inference_mode()
    def embed(self, sequence: Tensor, bins: int, reverse_complement: bool = False) -> Tensor:
        """Embedding (batch, bins, width) float32 of the central bins, computed as `predict` does."""
        return self.read_embedding(sequence, bins, reverse_complement)

    def read(self, sequence: Tensor, reverse_complement: bool = False) -> Prediction:
        """What `predict` gives, with gradients."""
        strands = [sequence, other_strand(sequence)] if reverse_complement else [sequence]
        predictions = []
        for strand in strands:
            with self._autocast(strand):
                tracks, embedding = self(strand)
            predictions.append(Prediction(tracks.float(), None if embedding is None else embedding.float()))
        if not reverse_complement:
            return predictions[0]
        return Prediction(
            *(None if here is None else (here + there.flip(1)) / 2 for here, there in zip(*predictions, strict=True))
        )

    def read_embedding(self, sequence: Tensor, bins: int, reverse_complement: bool = False) -> Tensor:
        """What `embed` gives, with gradients."""
        with self._autocast(sequence):
            embedding = self.embedding(sequence)
        here = middle(embedding.shape[1], bins)
        if not reverse_complement:
            return embedding[:, here].float()
        # Turned back before it is cropped: an odd number of bins has no even number in its middle.
        with self._autocast(sequence):
            there = self.embedding(other_strand(sequence)).flip(1)
        return (embedding[:, here].float() + there[:, here].float()) / 2

    def _autocast(self, sequence: Tensor) -> AbstractContextManager:
        device = sequence.device
        return torch.autocast(device.type, torch.bfloat16, enabled=precision_of(self.precision, device) == "bfloat16")


def as_one_hot(sequence: Tensor, channels: str = BASES) -> Tensor:
    """One-hot (batch, 4, base) float32, in the order of `channels`, of a sequence in either form (see Backbone).

    >>> as_one_hot(torch.tensor([[0, 3, 4]], dtype=torch.uint8))[0].tolist()  # A, T, N
    [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    if sequence.dim() == 2:
        return one_hot(sequence, channels).transpose(1, 2)
    if sequence.dim() != 3 or sequence.shape[1] != len(BASES):
        raise ValueError(f"a sequence is encoded (batch, base) or one-hot (batch, 4, base), not {(*sequence.shape,)}")
    return sequence if channels == BASES else sequence[:, [BASES.index(base) for base in channels]]


def other_strand(sequence: Tensor) -> Tensor:
    """Reverse complement of a sequence in either form, on its device.

    >>> other_strand(torch.tensor([[0, 0, 1, 4]], dtype=torch.uint8)).tolist()
    [[4, 2, 3, 3]]
    """
    if sequence.dim() == 3:
        return sequence.flip(1, 2)
    return torch.tensor([3, 2, 1, 0, N], dtype=torch.uint8, device=sequence.device)[sequence.flip(-1).int()]


def one_hot(encoded: Tensor, channels: str = BASES) -> Tensor:
    """One-hot (batch, length, 4) float32 of encoded (batch, length) uint8, by `channels`; N is all zeros."""
    table = torch.zeros(N + 1, len(BASES), device=encoded.device)
    for channel, base in enumerate(channels):
        table[BASES.index(base), channel] = 1
    return table[encoded.int()]


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
    """The state dict, on the CPU, in a .safetensors file or one written by torch.save.

    It may lie under the key state_dict of what was saved, and its names may begin with "module.", as DataParallel gives
    them. Raises InputError for what is neither, named for what it is.
    """
    try:
        start_of(path)
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such checkpoint; download it again or correct the path in the config") from None
    except InputError:
        raise
    except _UNREADABLE as error:
        if trouble := system_trouble(error, path):
            raise trouble from error
        # What torch says of it is advice to run the code in it.
        if isinstance(error, UnpicklingError) and "Unsupported global" in str(error):
            raise InputError(
                f"{path}: holds Python objects beside tensors, a whole module perhaps, and to load those may run any "
                "code: save the network's state_dict() instead"
            ) from None
        raise InputError(f"{path}: not a readable checkpoint, damaged or of another kind; download it again") from None
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path}: not a state dict (a mapping of names to tensors); save the network's state_dict()")
    wrapped = bool(state) and all(name.startswith("module.") for name in state)
    return {name.removeprefix("module.") if wrapped else name: value for name, value in state.items()}


def write_checkpoint(state_dict: Mapping[str, Tensor], path: Path) -> None:
    """Write a state dict with torch.save, whole or not at all, the same bytes for the same tensors."""
    with whole_file(path) as partial, open(partial, "wb") as handle:
        save({name: value.detach().cpu().contiguous() for name, value in state_dict.items()}, handle, path)
