"""Where networks compute, and in which precision.

`float32` means IEEE float32, in products as in convolutions; networks that are trained from tracks take TensorFloat-32
for both (`tensor_float32`). What backbones compute in is a key of theirs (`PRECISIONS`).
"""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout

from chrom2expr.errors import SystemTrouble, gpu_trouble

# What CUDA_VISIBLE_DEVICES holds where GPUs are hidden on purpose (the last is SLURM's).
_HIDDEN = ("", "-1", "NoDevFiles")
# Where NVIDIA's driver shows its cards.
_PLACES = (("/proc/driver/nvidia/gpus", "*"), ("/dev", "nvidia[0-9]*"))
# Of CUDA's products, convolutions and recurrent layers, the precision of float32.
_SWITCHES = (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn)
# What `precision` of a backbone may be: float32, bfloat16, or bfloat16 on a GPU and float32 on a CPU.
PRECISIONS = ("fp32", "bf16", "auto")
# Of /proc/cpuinfo: a CPU with one of these has instructions for bfloat16.
_BFLOAT16_FLAGS = {"amx_bf16", "avx512_bf16", "bf16"}
# The cards of this process, by index, and what keeps them from others.
_held: dict[int, FileLock] = {}


def choose_device(allow_cpu: bool = False, cards: int = 1) -> torch.device:
    """A GPU if there is one, else the CPU; prints the choice. From here on float32 is IEEE's.

    `cards` GPUs are taken, as far as there are so many (see `take_cards`), of which this is the first and `cards_held`
    tells all; 0 is the CPU. Raises SystemTrouble where a GPU is there, or was given to this job, and PyTorch cannot use
    it, since a CPU takes days for what a GPU does in an hour; with `allow_cpu` it only says so.
    """
    found, trouble = _gpu(), ""
    _set_float32("ieee")
    if cards and (found or torch.cuda.is_available()):
        try:
            names = [str(torch.cuda.get_device_properties(card).uuid) for card in range(torch.cuda.device_count())]
            device = torch.device("cuda", *take_cards(names, cards)[:1])
            # Also shows a GPU that this build of PyTorch has no code for.
            torch.zeros(1, device=device).add(1).item()
            torch.cuda.set_device(device)
        except (RuntimeError, AssertionError) as error:
            trouble = str(error).strip().splitlines()[0]
        else:
            print(f"device: {device} ({torch.cuda.get_device_name()})")
            return device
    if trouble:
        seen = found or "found by PyTorch"
        said = f"there is a GPU ({seen}), but PyTorch {torch.__version__} cannot use it: {trouble}"
        if not allow_cpu:
            raise SystemTrouble(
                f"{said}. Install a driver, or a PyTorch, that fits (nvidia-smi shows the driver's CUDA version); to "
                "compute on the CPU, set allow_cpu: true in the config (a command has --allow-cpu), or "
                "CUDA_VISIBLE_DEVICES to nothing"
            )
        print(f"Warning: {said}; this job computes on the CPU", file=sys.__stderr__)
    print(f"device: cpu ({torch.get_num_threads()} threads)")
    return torch.device("cpu")


def take_cards(names: Sequence[str], count: int, folder: Path | None = None) -> list[int]:
    """Indices of `count` of the cards of these names, held until this process ends, however it ends.

    Jobs of one user on one machine see one another's locks in `folder`, which is in the place of temporary files: each
    gets cards that no other has, and where all are taken, those with the fewest jobs. Fewer are given where there are
    fewer. What the process holds already, it is given again.
    """
    folder = folder or Path(tempfile.gettempdir(), f"chrom2expr-{os.getuid()}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    wanted, number = min(count, len(names)), 0
    while len(_held) < wanted:  # the first lock of every card; then, where jobs share, the second one
        for card, name in enumerate(names):
            if len(_held) < wanted and card not in _held:
                with suppress(Timeout):
                    _held[card] = _locked(folder / f"{name}.{number}")
        number += 1
    return cards_held()[:wanted]


def _locked(path: Path) -> FileLock:
    lock = FileLock(path)
    lock.acquire(timeout=0)
    return lock


def cards_held() -> list[int]:
    """Indices of the cards that this process took, in the order in which it did."""
    return [*_held]


def precision_of(asked: str, device: torch.device) -> str:
    """What a backbone of this `precision` (see PRECISIONS) computes in on a device, by PyTorch's name.

    >>> [precision_of(asked, torch.device("cpu")) for asked in PRECISIONS]
    ['float32', 'bfloat16', 'float32']
    """
    return {"fp32": "float32", "bf16": "bfloat16"}.get(asked, "bfloat16" if device.type == "cuda" else "float32")


def say_precision(asked: str, device: torch.device, place: str = "backbones: NAME") -> None:
    """Print what a backbone computes in and, on a CPU, what bfloat16 would be there; `place` is the key's section."""
    found = precision_of(asked, device)
    print(f"precision: {found}")
    if device.type == "cpu":
        able = bool(_BFLOAT16_FLAGS & _cpu_flags())
        if able and found == "float32":
            print(f"this CPU multiplies bfloat16 faster; precision: bf16 ({place}) rounds to three digits")
        elif not able and found == "bfloat16":
            print("Warning: this CPU has no instructions for bfloat16, which takes longer than fp32 then")


def training_precision(device: torch.device) -> str:
    """What networks that are trained from tracks compute in there (see `tensor_float32`)."""
    return "tf32" if device.type == "cuda" else "float32"


@contextmanager
def tensor_float32() -> Iterator[None]:
    """Let CUDA's float32 products and convolutions round their factors to TensorFloat-32, for training networks.

    These average over many steps whose noise is far larger, and a card does several times as many such operations a
    second. Nothing changes on a CPU.

    >>> with tensor_float32():
    ...     torch.backends.cudnn.conv.fp32_precision
    'tf32'
    """
    before = [switch.fp32_precision for switch in _SWITCHES]
    _set_float32("tf32")
    try:
        yield
    finally:
        for switch, value in zip(_SWITCHES, before, strict=True):
            switch.fp32_precision = value


@contextmanager
def memory_advice(lower: str) -> Iterator[None]:
    """Raise SystemTrouble for a GPU whose memory is used up, which says what to `lower`; let all else pass.

    >>> with memory_advice("heads: NAME: batch_size"):
    ...     raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    Traceback (most recent call last):
    ...
    chrom2expr.errors.SystemTrouble: the GPU's memory is used up. Lower heads: NAME: batch_size, ...
    """
    try:
        yield
    except RuntimeError as error:
        if trouble := gpu_trouble(error, lower):
            raise trouble from error
        raise


def to_device(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """An array on the device; a GPU fetches it by itself, from pinned memory, while this process goes on.

    >>> to_device(np.array([1, 2], dtype=np.uint8), torch.device("cpu"))
    tensor([1, 2], dtype=torch.uint8)
    """
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def _cpu_flags() -> set[str]:
    """What the first CPU of this machine can do, by Linux's names; nothing elsewhere."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(("flags", "Features")):
                return set(line.partition(":")[2].split())
    return set()


def _set_float32(kind: str) -> None:
    for switch in _SWITCHES:
        switch.fp32_precision = kind


def _gpu() -> str:
    """How one sees that a GPU is there, without asking PyTorch; empty if none is, or if they are hidden."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible in _HIDDEN:
        return ""
    if visible is not None:
        return f"CUDA_VISIBLE_DEVICES is {visible}"
    return next((str(path) for folder, name in _PLACES for path in sorted(Path(folder).glob(name))), "")
