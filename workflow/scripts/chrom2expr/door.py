"""What every script does at its door: a log, a plain message for bad input, progress with an ETA."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from chrom2expr.errors import InputError


@contextmanager
def job(log: str) -> Iterator[None]:
    """Send everything printed to `log`; turn an InputError into one plain message, there and on the console.

    Raises SystemExit(1) on InputError; every other exception passes through with its traceback in the log.
    """
    with open(log, "w", buffering=1) as handle, redirect_stdout(handle), redirect_stderr(handle):
        try:
            yield
        except InputError as error:
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
