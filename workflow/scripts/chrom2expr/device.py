"""Where networks compute."""

import torch


def choose_device() -> torch.device:
    """The GPU if there is one, else the CPU; prints the choice."""
    if torch.cuda.is_available():
        print(f"device: cuda ({torch.cuda.get_device_name()})")
        return torch.device("cuda")
    print(f"device: cpu ({torch.get_num_threads()} threads)")
    return torch.device("cpu")
