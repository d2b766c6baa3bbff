"""What a run was computed with: versions of chrom2expr and of packages, and the machine; no name of host or user."""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from chrom2expr import __version__

# What a repository without git, or git itself, cannot tell.
_UNKNOWN = "unknown"


class Package(NamedTuple):
    """A package: its version here (empty if not installed), the one that the workflow's environments pin, and which."""

    name: str
    installed: str
    pinned: str
    environments: str


def package_version(name: str, packages: Sequence[Package] = ()) -> str:
    """The version of a package that is installed here, else the one that is pinned; `unknown` if neither."""
    pinned = next((package.pinned for package in packages if package.name == name), "")
    return _installed(name) or pinned or _UNKNOWN


def packages(environments: Sequence[str | Path]) -> list[Package]:
    """The packages that these conda environment files pin, by name."""
    found: dict[str, tuple[str, list[str]]] = {}
    for file in environments:
        for name, pinned in re.findall(
            r"^\s*- ([\w.-]+)==(\S+)$", Path(file).read_text(encoding="utf-8"), re.MULTILINE
        ):
            found.setdefault(name, (pinned, []))[1].append(Path(file).stem)
    return [
        Package(name, _installed(name), pinned, ", ".join(files))
        for name, (pinned, files) in sorted(found.items(), key=lambda entry: entry[0].lower())
    ]


def commit(folder: str | Path) -> str:
    """The commit of the clone that holds `folder`, and whether files of it were changed; `unknown` outside of one."""
    head, changed = _git(folder, "rev-parse", "HEAD"), _git(folder, "status", "--porcelain", "--untracked-files=no")
    if head is None or changed is None:
        return _UNKNOWN
    return f"{head}, and changed since" if changed else head


def computed_with(folder: str | Path) -> list[tuple[str, str]]:
    """What the page is made with, in words: chrom2expr in `folder`, Python, the system and the machine."""
    return [
        ("chrom2expr", __version__),
        ("its commit", commit(folder)),
        ("Python", platform.python_version()),
        ("Snakemake", package_version("snakemake")),
        ("system", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        ("processor", _processor()),
        ("cores", str(os.cpu_count() or _UNKNOWN)),
        ("memory", _memory()),
        ("GPU", _gpus()),
    ]


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _git(folder: str | Path, *arguments: str) -> str | None:
    return _said("git", "-C", str(folder), *arguments)


def _said(program: str, *arguments: str) -> str | None:
    """What a program says; None if it is not there, or fails."""
    if not shutil.which(program):
        return None
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _processor() -> str:
    cpus = Path("/proc/cpuinfo")
    named = (
        re.search(r"^model name\s*:\s*(.+)$", cpus.read_text(encoding="utf-8"), re.MULTILINE)
        if cpus.is_file()
        else None
    )
    return named[1] if named else platform.processor() or _UNKNOWN


def _memory() -> str:
    if sys.platform == "win32":
        return _UNKNOWN
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.1f} GB"


def _gpus() -> str:
    listed = _said("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader")
    return "; ".join(listed.splitlines()) if listed else "none seen"
