"""What every script does: a log, a plain message for bad input, progress with an ETA."""

import importlib
import io
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import datetime
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any, NamedTuple

from chrom2expr.errors import InputError, gpu_trouble, system_trouble

# What ends a job: schedulers announce the end of its time by any of these, Ctrl-C and a lost terminal by two.
_SIGNALS = (
    *(signal.SIGTERM, signal.SIGINT, signal.SIGHUP),
    *(signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU),
)
# With one of these the line of a job's log begins that says why it ended; see failures.cause.
CAUSES = ("Error: ", "System error: ", "Stopped by ")


class _Log(io.FileIO):
    """A file that leaves out what cannot be written: no work is lost for want of room for its log."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


class Stopped(SystemExit):
    """A signal asked the process to end; the exit status is that of a shell."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.name = signal.Signals(number).name

    def __str__(self) -> str:
        return f"Stopped by {self.name}; run again, and it goes on from what is whole"


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

    The log's first line, which rule, when, on how many threads, is there before the script loads anything. What ends it
    is the last line of the log, which begins with one of CAUSES, and is told on the console with the rule and the log's
    place. A traceback is in the log alone.

    Raises SystemExit(1) on every error: on InputError, and at once where an earlier try of this job met one (a
    cluster's profile counts the tries as resources.attempt, and nothing else does); where the operating system refused
    something, which another try may get; and, with the error as its cause, where nobody foresaw it. A signal that asks
    to end (SIGTERM, SIGINT, SIGHUP, ...) ends the job as an exception does, so that no half-written file is left; so
    does the end of the Snakemake that started it.

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
        io.TextIOWrapper(io.BufferedWriter(_Log(log, "w")), encoding="utf-8", line_buffering=True) as handle,
        redirect_stdout(handle),
        redirect_stderr(handle),
        stopped_by_signals() as received,
        ended_with(os.getppid()),
    ):
        began = f"{datetime.now():%Y-%m-%d %H:%M:%S}"
        print(f"{getattr(snakemake, 'rule', 'job')}, {began}, threads: {snakemake.threads}")
        try:
            if again:
                raise InputError(f"{refusal.read_text(encoding='utf-8')} (not tried again: once mended, run again)")
            refusal.unlink(missing_ok=True)
            yield _call(snakemake)
        except InputError as error:
            if attempt and not again:
                refusal.write_text(str(error), encoding="utf-8")
            _end(f"Error: {error}", snakemake)
            raise SystemExit(1) from None
        except Stopped as stop:
            print(stop)
            raise
        except Exception as error:
            if received:  # a library made an error of its own of it
                stop = Stopped(received[0])
                print(stop)
                raise stop from error
            traceback.print_exc(file=handle)
            if trouble := system_trouble(error) or gpu_trouble(error):
                _end(f"System error: {trouble}", snakemake)
                raise SystemExit(1) from None
            _end(f"Error: {_unforeseen(error)}", snakemake)
            raise SystemExit(1) from error


def _end(cause: str, snakemake: Any) -> None:
    """Say why the job ended: in the log, and on the console with the places to look at."""
    print(cause)
    where = f"(rule {getattr(snakemake, 'rule', '')}, log {snakemake.log[0]})"
    print(f"\n{cause}\n{where}\n", file=sys.__stderr__)


def _unforeseen(error: Exception) -> str:
    """An error that no message was written for, in one line."""
    said = " ".join(str(error).split())
    return f"{type(error).__name__}{f': {said}' if said else ''} (not foreseen: its traceback is in the log)"


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
def stopped_by_signals() -> Iterator[list[int]]:
    """Let what asks a process to end, which does it at once otherwise, run the `finally` clauses first: raise Stopped.

    Gives the list of the signals that came, of which there is one at most: the next ones are ignored, since they must
    not break off the cleaning up, nor the end of the interpreter after it (SLURM sends several). Signals that are
    ignored already, as SIGHUP under nohup, stay so.
    """
    received: list[int] = []
    before: dict[int, Any] = {}

    def stop(number: int, _: Any) -> None:
        for other in before:
            signal.signal(other, signal.SIG_IGN)
        received.append(number)
        raise Stopped(number)

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before |= {one: signal.getsignal(one) for one in _SIGNALS if signal.getsignal(one) != signal.SIG_IGN}
    for one in before:
        signal.signal(one, stop)
    try:
        yield received
    finally:
        if not received:
            for one, handler in before.items():
                signal.signal(one, handler)


@contextmanager
def ended_with(parent: int, every: float = 0.5) -> Iterator[None]:
    """Ask this process to end, by SIGTERM, once the process `parent` that started it is no more.

    A killed Snakemake leaves its jobs behind: the next run starts them anew, and what an old one then wrote, by an
    older config, would take the place of the new result.
    """
    left = threading.Event()

    def watch() -> None:
        while not left.wait(every):
            if os.getppid() != parent:
                print("The process that started this job has ended, so that nobody waits for it")
                os.kill(os.getpid(), signal.SIGTERM)
                return

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        left.set()


class Progress:
    """Print how much work is done, how fast, and how long the rest will take; at most once every `every` seconds.

    `total` counts what is still to do, so that work of an earlier try makes the rate no better; None if nobody knows.
    """

    def __init__(self, total: int | None, unit: str, every: float = 10.0) -> None:
        self.total, self.unit, self.every = total, unit, every
        self.done, self.started = 0, monotonic()
        self.printed = self.started
        print(f"{unit}: how many is not known" if total is None else f"{total:,} {unit} to do", flush=True)

    def advance(self, count: int) -> None:
        """Record that `count` more units are done."""
        self.done += count
        now = monotonic()
        if now - self.printed >= self.every or self.done == self.total:
            taken = now - self.started
            rate = self.done / max(taken, 1e-9)
            of = "" if self.total is None else f" of {self.total:,}"
            said = [f"{self.done:,}{of} {self.unit}", pace(rate)]
            if self.done == self.total:
                said.append(f"took {duration(taken)}")
            elif self.total and self.total > self.done and rate:
                said.append(f"{duration((self.total - self.done) / rate)} left")
            print(", ".join(said), flush=True)
            self.printed = now


def duration(seconds: float) -> str:
    """A time as people say it.

    >>> [duration(seconds) for seconds in (0.2, 59.6, 754, 8_000, 300_000)]
    ['0 s', '1 min', '12 min 34 s', '2 h 13 min', '3 d 11 h']
    """
    whole = round(seconds)
    for long, short, size, part in (("d", "h", 86_400, 3_600), ("h", "min", 3_600, 60), ("min", "s", 60, 1)):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {long}" + (f" {rest} {short}" if rest else "")
    return f"{whole} s"


def pace(rate: float) -> str:
    """A rate, units a second, with the shortest time in which one is done.

    >>> [pace(rate) for rate in (1834.2, 2.5, 0.033, 0.00031, 0)]
    ['1,834 a second', '2.5 a second', '1.98 a minute', '1.12 an hour', '0 an hour']
    """
    rates = [(rate * seconds, time) for seconds, time in ((1, "a second"), (60, "a minute"), (3_600, "an hour"))]
    scaled, time = next((found for found in rates if found[0] >= 1), rates[-1])
    return f"{scaled:,.0f} {time}" if scaled >= 1_000 else f"{scaled:.3g} {time}"
