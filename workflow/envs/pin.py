"""Pin the conda environments of the rules: `python workflow/envs/pin.py`, or `make pins`.

Each file names what its scripts import; below that this writes all that those packages need in turn. It also writes
model_cpu.yaml: model.yaml with PyTorch's CPU build. Which package needs which is read from those that are installed;
versions are those of requirements.txt and, for CUDA, requirements-cuda.txt.
"""

import re
from collections.abc import Iterable
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ENVS = Path(__file__).resolve().parent
ROOT = ENVS.parents[1]
CPU = ENVS / "model_cpu.yaml"
NEEDED = "      # What these need.\n"
CUDA = "      # What PyTorch needs for CUDA.\n"
CPU_HEADER = """\
# model.yaml with PyTorch's CPU build, for Linux; made of it by `make pins`. PyPI does not have that build:
# docs/environments.md says how to name an index that does.
"""
# Where the environments run, as packages ask for it in what they need.
PLATFORM = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.11.14",
    "python_version": "3.11",
    "sys_platform": "linux",
}


def main() -> None:
    """Write the environment files anew."""
    for file, text in pinned().items():
        file.write_text(text, encoding="utf-8")


def pinned() -> dict[Path, str]:
    """The environment files with the text that they ought to have."""
    named = sorted({*ENVS.glob("*.yaml")} - {CPU})
    texts = {file: completed(file.read_text(encoding="utf-8")) for file in named}
    return texts | {CPU: without_cuda(texts[ENVS / "model.yaml"])}


def completed(text: str) -> str:
    """An environment file with all that the packages it names need, whatever stood below them before."""
    above, _, _ = text.partition(NEEDED)
    direct = {canonicalize_name(name) for name in re.findall(r"^      - (\S+)==", above, re.MULTILINE)}
    cuda = pins("requirements-cuda.txt")
    needed = closure(direct, {*map(canonicalize_name, cuda)}) - direct
    versions = {
        name: version for name, version in pins("requirements.txt").items() if canonicalize_name(name) in needed
    }
    lines = [f"      - {name}=={version}\n" for name, version in versions.items()]
    if "torch" in direct:
        lines += [CUDA, *(f'      - {name}=={version}; platform_system == "Linux"\n' for name, version in cuda.items())]
    return above + NEEDED + "".join(lines)


def without_cuda(text: str) -> str:
    """An environment file with PyTorch's CPU build in place of the one with CUDA."""
    body, _, _ = text[text.index("channels:") :].partition(CUDA)
    return CPU_HEADER + re.sub(r"- torch==\S+", r"\g<0>+cpu", body)


def pins(file: str) -> dict[str, str]:
    """The versions that a file of requirements pins, by name."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def closure(names: Iterable[str], left_out: set[str]) -> set[str]:
    """The canonical names of these packages and of all that they need on PLATFORM, but for those left out.

    Raises importlib.metadata.PackageNotFoundError where one of them is not installed.
    """
    waiting = [(canonicalize_name(name), "") for name in names]
    found = set()
    while waiting:
        name, extra = wanted = waiting.pop()
        if wanted in found or name in left_out:
            continue
        found.add(wanted)
        for needed in map(Requirement, requires(name) or ()):
            if not needed.marker or needed.marker.evaluate(PLATFORM | {"extra": extra}):
                waiting += [(canonicalize_name(needed.name), own) for own in ("", *needed.extras)]
    return {name for name, _ in found}


if __name__ == "__main__":
    main()
