"""Where networks compute."""

import os
import sys
from pathlib import Path

import torch

from chrom2expr.errors import SystemTrouble

# What CUDA_VISIBLE_DEVICES holds where GPUs are hidden on purpose (the last is SLURM's).
_HIDDEN = ("", "-1", "NoDevFiles")
# Where NVIDIA's driver shows its cards.
_PLACES = (("/proc/driver/nvidia/gpus", "*"), ("/dev", "nvidia[0-9]*"))


def choose_device(allow_cpu: bool = False) -> torch.device:
    """The GPU if there is one, else the CPU; prints the choice.

    Raises SystemTrouble where a GPU is there, or was given to this job, and PyTorch cannot use it, since a CPU takes
    days for what a GPU does in an hour; with `allow_cpu` it only says so.
    """
    found, trouble = _gpu(), ""
    if found or torch.cuda.is_available():
        try:
            # Also shows a GPU that this build of PyTorch has no code for.
            torch.zeros(1, device="cuda").add(1).item()
        except (RuntimeError, AssertionError) as error:
            trouble = str(error).strip().splitlines()[0]
        else:
            print(f"device: cuda ({torch.cuda.get_device_name()})")
            return torch.device("cuda")
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


def precision(device: torch.device) -> str:
    """What backbones compute in there: bfloat16 autocast on a GPU, float32 on a CPU."""
    return "bfloat16" if device.type == "cuda" else "float32"


def _gpu() -> str:
    """How one sees that a GPU is there, without asking PyTorch; empty if none is, or if they are hidden."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible in _HIDDEN:
        return ""
    if visible is not None:
        return f"CUDA_VISIBLE_DEVICES is {visible}"
    return next((str(path) for folder, name in _PLACES for path in sorted(Path(folder).glob(name))), "")
