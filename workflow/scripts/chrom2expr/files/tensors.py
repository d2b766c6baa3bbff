"""Files of tensors, models and checkpoints: a format with a version, and a digest by which damage shows.

A file holds {format, version, digest, content} for torch.load(weights_only=True); `digest` is a SHA-256 of the format
and of all that the content holds, tensors by their values, types and shapes.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from chrom2expr.errors import InputError, reading, system_errors_named
from chrom2expr.files.whole import Format, whole_file


def write_tensors(path: str | Path, kind: Format, content: Mapping[str, Any]) -> None:
    """Write tensors and plain values, nested in mappings and lists; whole or not at all.

    The same content gives the same bytes. Raises SystemTrouble where the disk is full, or the like.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_tensors(f"{folder}/mine.pt", Format("mine", 1), {"weights": torch.ones(2)})
    ...     sorted(torch.load(f"{folder}/mine.pt", weights_only=True))
    ['content', 'digest', 'format', 'version']
    """
    saved = {"format": kind.name, "version": kind.version, "digest": _digest(kind, content), "content": dict(content)}
    with whole_file(path, durable=True) as partial, open(partial, "wb") as handle:
        save(saved, handle, path)


def save(content: Any, handle: Any, path: str | Path) -> None:
    """torch.save to an open file, which is to become `path`; the same content gives the same bytes.

    Given a path instead, torch would write the temporary file's name into the archive. Raises SystemTrouble where the
    disk is full, or the like: torch itself would speak of an unexpected position.
    """
    writer = _Writer(handle)
    with system_errors_named(path):
        try:
            torch.save(content, writer)
            handle.flush()
        except RuntimeError:
            if writer.error:
                raise writer.error from None
            raise


class _Writer:
    """A file that remembers why a write failed, or was stopped by a signal; torch forgets it."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.error: BaseException | None = None

    def write(self, data: Any) -> int:
        try:
            return self.handle.write(data)
        except BaseException as error:
            self.error = error
            raise

    def flush(self) -> None:
        self.handle.flush()


def read_tensors(path: str | Path, kind: Format) -> dict[str, Any]:
    """The content of a file that `write_tensors` wrote, on the CPU.

    Raises InputError, naming the file, if it is damaged, of another kind or of another version.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_tensors(f"{folder}/mine.pt", Format("mine", 1), {"weights": torch.ones(2)})
    ...     read_tensors(f"{folder}/mine.pt", Format("mine", 1))
    {'weights': tensor([1., 1.])}
    """
    with reading(path, f"{kind.name} file", kind.advice, quote=False):
        saved = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(saved, dict) or saved.get("format") != kind.name:
        raise InputError(f"{path}: no {kind.name} file, or of an older chrom2expr; {kind.advice}")
    if saved.get("version") != kind.version:
        raise InputError(
            f"{path}: a {kind.name} file of version {saved.get('version')}, but this chrom2expr reads version "
            f"{kind.version}; make the file again, or use the chrom2expr that wrote it"
        )
    with reading(path, f"{kind.name} file", kind.advice, quote=False):
        content = saved["content"]
        found = _digest(kind, content)
    if found != saved.get("digest"):
        raise InputError(f"{path}: damaged, its digest does not match its content; {kind.advice}")
    return content


def load_exactly(module: torch.nn.Module, state_dict: Mapping[str, torch.Tensor], path: Path) -> None:
    """Copy `state_dict` (read from `path`) into `module`; InputError if a tensor is missing, extra or misshapen."""
    wanted = module.state_dict()
    problems = {
        "missing": [name for name in wanted if name not in state_dict],
        "not of this network": [name for name in state_dict if name not in wanted],
        "of another shape": [
            f"{name} {tuple(state_dict[name].shape)}, expected {tuple(tensor.shape)}"
            for name, tensor in wanted.items()
            if name in state_dict and state_dict[name].shape != tensor.shape
        ],
    }
    if any(problems.values()):
        found = "; ".join(f"{len(names)} {kind}: {_first(names)}" for kind, names in problems.items() if names)
        raise InputError(f"{path}: the tensors do not fit the configured network: {found}")
    module.load_state_dict(state_dict)


def _first(names: Sequence[str], count: int = 3) -> str:
    return ", ".join(names[:count]) + (", …" if len(names) > count else "")


def _digest(kind: Format, content: Any) -> str:
    digest = hashlib.sha256(f"{kind.name} {kind.version}".encode())
    _update(digest, content)
    return digest.hexdigest()


def _update(digest: Any, value: Any) -> None:
    """Take in a value: what two different values feed to the digest differs."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().contiguous()
        digest.update(f"tensor {value.dtype} {tuple(value.shape)} ".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy() if value.numel() else b"")
    elif isinstance(value, Mapping):
        digest.update(f"mapping {len(value)} ".encode())
        for key, inner in value.items():
            _update(digest, key)
            _update(digest, inner)
    elif isinstance(value, list | tuple):
        digest.update(f"list {len(value)} ".encode())
        for inner in value:
            _update(digest, inner)
    else:
        text = repr(value.item() if isinstance(value, np.generic) else value)
        digest.update(f"{type(value).__name__} {len(text)} {text} ".encode())
