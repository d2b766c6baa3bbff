"""What every script does: a log, a plain message for bad input, progress with an ETA."""

import importlib
import json
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any, NamedTuple

from chrom2expr.errors import InputError, system_trouble

_STOPPED = 128 + signal.SIGTERM


class Call(NamedTuple):
    """What a rule gives its script: files by name, params as the config has them, resources, threads.

    What changes no result comes as a resource, since an edit of that runs nothing again.
    """

    input: Any
    output: Any
    params: Any
    resources: Any
    threads: int


@contextmanager
def job(snakemake: Any) -> Iterator[Call]:
    """Read the params, which are JSON; send everything printed to the job's log, and what is wrong to the user.

    What the user can mend becomes one plain message, in the log and on the console.

    Raises SystemExit(1) on InputError, and at once where an earlier try of this job met one (a cluster's profile counts
    the tries as resources.attempt, and nothing else does); and where the operating system refused something, which
    another try may get. SIGTERM ends the job as an exception does, so that no half-written file is left. Every other
    exception passes through with its traceback in the log.

    The library is the one beside the script, even if another is installed, which Python would find first.
    """
    beside = Path(getattr(snakemake, "scriptdir", ""), "chrom2expr")
    if beside.is_dir() and not beside.samefile(Path(__file__).parent):
        with _job_of(str(beside.parent))(snakemake) as call:
            yield call
        return
    log = Path(snakemake.log[0])
    # Snakemake removes the log before a job is tried again.
    refusal = log.with_name(f".{log.name}.refused")
    attempt = getattr(getattr(snakemake, "resources", None), "attempt", 0)
    again = attempt > 1 and refusal.is_file()
    # UTF-8 whatever the machine's locale: a message must not fail for a letter.
    with (
        open(log, "w", buffering=1, encoding="utf-8") as handle,
        redirect_stdout(handle),
        redirect_stderr(handle),
        stopped_by_sigterm(),
    ):
        try:
            if again:
                raise InputError(f"{refusal.read_text(encoding='utf-8')} (not tried again: once mended, run again)")
            refusal.unlink(missing_ok=True)
            yield _call(snakemake)
        except InputError as error:
            if attempt and not again:
                refusal.write_text(str(error), encoding="utf-8")
            tell(f"Error: {error}")
            raise SystemExit(1) from None
        except SystemExit as stop:
            if stop.code == _STOPPED:
                print("stopped by SIGTERM")
            raise
        except Exception as error:
            traceback.print_exc(file=handle)
            if trouble := system_trouble(error):
                tell(f"System error: {trouble}")
                raise SystemExit(1) from None
            raise


def _job_of(scripts: str) -> Any:
    """`job` of the library in this folder, from where all that is imported of chrom2expr then comes."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "chrom2expr"]:
        del sys.modules[name]
    sys.path.insert(0, scripts)
    return importlib.import_module("chrom2expr.job").job


def _call(snakemake: Any) -> Call:
    params = {name: json.loads(value) for name, value in snakemake.params.items()}
    return Call(snakemake.input, snakemake.output, SimpleNamespace(**params), snakemake.resources, snakemake.threads)


def tell(message: str) -> None:
    """Print a message in the log and on the console."""
    print(message)
    print(f"\n{message}\n", file=sys.__stderr__)


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """Let SIGTERM, which ends a process at once otherwise, run the `finally` clauses first."""

    def stop(number: int, _: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not break off the cleaning up
        raise SystemExit(_STOPPED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Progress:
    """Print how much work is done, how fast, and how long the rest will take; at most once every `every` seconds."""

    def __init__(self, total: int, unit: str, every: float = 10.0) -> None:
        self.total, self.unit, self.every = total, unit, every
        self.done, self.started = 0, monotonic()
        self.printed = self.started
        print(f"{total:,} {unit} to do", flush=True)

    def advance(self, count: int) -> None:
        """Record that `count` more units are done."""
        self.done += count
        now = monotonic()
        if now - self.printed >= self.every or self.done == self.total:
            rate = self.done / max(now - self.started, 1e-9)
            left = (self.total - self.done) / rate if rate else float("inf")
            print(f"{self.done:,} of {self.total:,} {self.unit}, {rate:,.3g} a second, {left:,.0f} s left", flush=True)
            self.printed = now
