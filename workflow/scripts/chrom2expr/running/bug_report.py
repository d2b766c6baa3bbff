"""What an issue needs, in one file: versions, the config, what `chrom2expr check` says, ends of logs; no data."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import distributions
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from chrom2expr.config import overlays, schema
from chrom2expr.errors import InputError
from chrom2expr.files.whole import whole_file
from chrom2expr.job import CAUSES
from chrom2expr.reporting.software import computed_with
from chrom2expr.running.failures import around, named_in, tail
from chrom2expr.running.masking import masked

# So much of Snakemake's own log, of each other log, and so many of these.
_RUN_LINES, _JOB_LINES, _LOGS = 2_000, 200, 10
_BYTES = 1 << 20
_SNAKEMAKE = Path(".snakemake")
_SCRIPTS = Path(__file__).resolve().parents[2]
_SECONDS = 300


def write(output: Path, configs: Sequence[Path]) -> list[tuple[str, int]]:
    """Pack a report of the run in this folder, whole or not at all; returns its files, each with its size in bytes.

    `configs` are the config's files, each laid over those before it; they may be wrong, since that may be the bug.
    Everything is masked (see masking.masked). Raises InputError where `output` cannot be written.
    """
    packed = {name: masked(text).encode() for name, text in _contents(configs)}
    try:
        with whole_file(output) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in packed.items():
                file.writestr(masked(name), content)
    except OSError as error:
        raise InputError(f"{output}: cannot be written ({error.strerror}); name another place with -o") from None
    return [(masked(name), len(content)) for name, content in packed.items()]


def _contents(configs: Sequence[Path]) -> Iterator[tuple[str, str]]:
    yield "versions.txt", _versions()
    for path in configs:
        yield f"config/{_inside(path)}", _last(path, _BYTES)
    given, config = _config(configs)
    yield "config_as_checked.yaml", config
    yield "check.txt", _check(configs)
    runs = sorted((_SNAKEMAKE / "log").glob("*.snakemake.log"))
    lines = _tail(runs[-1], _RUN_LINES) if runs else ["Snakemake left no log here"]
    yield "snakemake.log", "\n".join(lines)
    failed = [(one.rule, Path(one.log)) for one in named_in(lines)]
    logs = [log for _, log in failed] or list(_ended_by_a_cause(given))
    for rule in dict.fromkeys(rule for rule, _ in failed):
        logs += islice(_newest(around(rule).rglob("*.log")), 2)
    for log in logs[-_LOGS:]:
        yield f"logs/{_inside(log)}", "\n".join(_tail(log, _JOB_LINES))


def _inside(path: Path) -> str:
    """What a file is called in the report, by its path."""
    return re.sub(r"(^|/)(\.?\.?/)+", r"\1", str(path)).lstrip("/")


def _last(path: Path, size: int) -> str:
    try:
        return "\n".join(tail(path, size))
    except OSError as error:
        return f"cannot be read: {error}"


def _tail(path: Path, lines: int) -> list[str]:
    return _last(path, _BYTES).split("\n")[-lines:]


def _newest(paths: Iterator[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)


def _ended_by_a_cause(config: Mapping[str, Any]) -> Iterator[Path]:
    """Logs of jobs whose end says why they failed, where Snakemake was too quiet to name them; newest last."""
    folder = config.get("pathvars", {}).get("logs", "results/logs")
    found = (
        log for log in _newest(Path(folder).rglob("*.log")) if any(line.startswith(CAUSES) for line in _tail(log, 20))
    )
    return reversed(list(islice(found, _LOGS)))


def _config(configs: Sequence[Path]) -> tuple[Mapping[str, Any], str]:
    """The config as it is given, nothing if it cannot be read, and as it is checked, or what is wrong with it."""
    given: Mapping[str, Any] = {}
    try:
        given = overlays.read(configs)
        return given, yaml.safe_dump(schema.checked(given), sort_keys=False, allow_unicode=True)
    except InputError as error:
        return given, f"# The config is refused:\n# {str(error).replace(chr(10), chr(10) + '# ')}\n"


def _check(configs: Sequence[Path]) -> str:
    """What `chrom2expr check` says of the configs, and how it ended."""
    if not configs:
        return "no config was named"
    command = [sys.executable, "-m", "chrom2expr.command_line", "check", *map(str, configs)]
    environment = {**os.environ, "PYTHONPATH": f"{_SCRIPTS}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"chrom2expr check did not answer: {error}"
    said = (done.stdout + done.stderr).decode("utf-8", "replace").strip()
    return f"{said}\n(exit status {done.returncode})" if done.returncode else said


def _versions() -> str:
    about = [f"{name}: {value}" for name, value in computed_with(_SCRIPTS)]
    packages = {found.metadata["Name"]: found.version for found in distributions()}
    return "\n".join(
        [
            *about,
            f"free here: {shutil.disk_usage('.').free / 1e9:,.1f} GB",
            _gpu(),
            "",
            *sorted((f"{name}=={version}" for name, version in packages.items()), key=str.lower),
        ]
    )


def _gpu() -> str:
    try:
        import torch

        if not torch.cuda.is_available():
            return f"PyTorch {torch.__version__}, CUDA {torch.version.cuda or 'not built in'}, no GPU is seen"
        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        return f"PyTorch {torch.__version__}, CUDA {torch.version.cuda}, {', '.join(names)}"
    except Exception as error:  # a broken installation may be the bug
        return f"PyTorch cannot be loaded: {type(error).__name__}: {error}"
