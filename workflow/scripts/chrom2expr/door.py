"""What every script does at its door: a log, a plain message for bad input, progress with an ETA."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from chrom2expr.errors import InputError


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Send everything printed to the job's log; turn an InputError into one plain message, there and on the console.

    Raises SystemExit(1) on InputError, and at once where an earlier try of this job met one (a cluster's profile counts
    the tries as resources.attempt, and nothing else does); every other exception passes through with its traceback in the log.
    """
    log = Path(snakemake.log[0])
    # Snakemake removes the log before a job is tried again.
    refusal = log.with_name(f".{log.name}.refused")
    attempt = getattr(getattr(snakemake, "resources", None), "attempt", 0)
    again = attempt > 1 and refusal.is_file()
    with open(log, "w", buffering=1) as handle, redirect_stdout(handle), redirect_stderr(handle):
        try:
            if again:
                raise InputError(f"{refusal.read_text(encoding='utf-8')} (not tried again: once mended, run again)")
            refusal.unlink(missing_ok=True)
            yield
        except InputError as error:
            if attempt and not again:
                refusal.write_text(str(error), encoding="utf-8")
            print(f"Error: {error}", file=handle)
            print(f"\nError: {error}\n", file=sys.__stderr__)
            raise SystemExit(1) from None
        except Exception:
            import traceback

            traceback.print_exc(file=handle)
            raise


class Progress:
    """Print how much work is done, how fast, and how long the rest will take; at most once every `every` seconds."""

    def __init__(self, total: int, unit: str, every: float = 10.0) -> None:
        self.total, self.unit, self.every = total, unit, every
        self.done, self.started = 0, time.monotonic()
        self.printed = self.started
        print(f"{total:,} {unit} to do", flush=True)

    def advance(self, count: int) -> None:
        """Record that `count` more units are done."""
        self.done += count
        now = time.monotonic()
        if now - self.printed >= self.every or self.done == self.total:
            rate = self.done / max(now - self.started, 1e-9)
            left = (self.total - self.done) / rate if rate else float("inf")
            print(f"{self.done:,} of {self.total:,} {self.unit}, {rate:,.3g} a second, {left:,.0f} s left", flush=True)
            self.printed = now
