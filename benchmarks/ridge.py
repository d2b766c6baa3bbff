"""The ridge head, 218 tissues x 7 penalties from seven Cholesky factors, against scikit-learn's Ridge, fit by fit.

A few of scikit-learn's 1,526 fits are timed, each on its own, and their median is multiplied; the whole of ours is
timed, with reading, validation scores and choice. Predictions of the timed fits are compared with ours.
Run: python benchmarks/ridge.py. With --peak GENES FEATURES, ours alone at that size, and its peak memory; thesis size
is --peak 21988 53130. With --device cuda, that on a GPU.
"""

import argparse
import contextlib
import io
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import Ridge

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from measured import result

from chrom2expr.heads import ridge, tasks
from chrom2expr.heads.tasks import Split
from chrom2expr.losses.hybrid import Hybrid

TISSUES, PENALTIES = 218, [1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4]
VALIDATION, ROUNDS, ENOUGH = 420, 5, 50
GIB = 1 << 30


class Rows:
    """Reduced features that lie in memory."""

    def __init__(self, features: np.ndarray) -> None:
        self.features, self.shape = features, features.shape

    def read(self, rows: np.ndarray) -> np.ndarray:
        return self.features[rows]


class Made:
    """Reduced features that are drawn anew whenever they are read, so that the source takes no memory."""

    def __init__(self, genes: int, features: int) -> None:
        self.shape = genes, features

    def read(self, rows: np.ndarray) -> np.ndarray:
        return np.random.default_rng(int(rows[0])).random((len(rows), self.shape[1]), dtype=np.float32)


def make_task(train: Split, validation: Split, penalties: list[float], device: str = "cpu") -> tasks.Task:
    ids = {"train": np.arange(len(train.observed)), "val": np.arange(len(validation.observed))}
    tissues = np.array([f"tissue{index}" for index in range(train.observed.shape[1])])
    tracks = np.array([f"track{index}" for index in range(train.features.shape[1] // 10)])
    return tasks.Task(
        data=tasks.Data({"train": train, "val": validation}, ids, tissues, tracks, {}, 1e-4),
        loss=Hybrid(alpha=0, beta=1),
        settings={},
        grid={"penalty": penalties},
        batch_size=64,
        max_epochs=0,
        patience=0,
        select_by="validation_cross_gene",
        seed=0,
        device=torch.device(device),
    )


def timed(fit, *arguments):
    """What `fit` returns, and how many seconds it took; what it prints is left out."""
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        result = fit(*arguments)
    return result, time.perf_counter() - started


def compare(genes: int, features: int) -> None:
    random = np.random.default_rng(0)
    x = random.gamma(1, 1, (genes + VALIDATION, features)).astype(np.float32)
    y = x @ random.normal(0, 1, (features, TISSUES)).astype(np.float32) / np.float32(features**0.5)
    y += random.normal(0, 1, y.shape).astype(np.float32)
    train, validation = Split(Rows(x[:genes]), y[:genes]), Split(Rows(x[genes:]), y[genes:])
    fitted, ours = timed(ridge.Ridge.fit, make_task(train, validation, PENALTIES))
    fits = len(PENALTIES) * TISSUES
    print(f"{genes} genes x {features} features, {TISSUES} tissues x {len(PENALTIES)} penalties = {fits} fits")
    print(f"ours, all of them: {ours:.1f} s")
    predicted = fitted.predict(validation.features)
    for dtype in (np.float64, np.float32):
        seconds, difference = [], 0.0
        for tissue in random.choice(TISSUES, ROUNDS, replace=False).tolist():
            model = Ridge(alpha=fitted.penalties[tissue])
            _, spent = timed(model.fit, x[:genes].astype(dtype), y[:genes, tissue].astype(dtype))
            seconds.append(spent)
            away = np.abs(model.predict(x[genes:].astype(dtype)) - predicted[:, tissue]).max()
            difference = max(difference, float(away / y[genes:, tissue].std()))
        single = float(np.median(seconds))
        ratio = single * fits / ours
        print(
            f"scikit-learn, {np.dtype(dtype).name}: {single:.2f} s a fit (median of {ROUNDS}), {single * fits:,.0f} s "
            f"for all: {ratio:.0f}x; largest difference of predictions {difference:.1e} standard deviations"
        )
        if dtype is np.float64:
            assert difference < 1e-4, "not the same predictions"
            result("ridge", ratio)
            assert ratio >= ENOUGH, f"less than {ENOUGH} times as fast"


def peak(genes: int, features: int, device: str) -> None:
    random = np.random.default_rng(0)
    y = random.normal(0, 1, (genes + VALIDATION, TISSUES)).astype(np.float32)
    train = Split(Made(genes, features), y[:genes])
    validation = Split(Made(VALIDATION, features), y[genes:])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    _, seconds = timed(ridge.Ridge.fit, make_task(train, validation, PENALTIES, device))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    least = min(genes, features)
    expected = 4 * features * (genes + VALIDATION) + 8 * 2 * least**2
    print(
        f"{genes} genes x {features} features: peak {most / GIB:.2f} GiB, {before / GIB:.2f} of it before the fit; "
        f"features and two matrices of {least} x {least} are {expected / GIB:.2f}; {seconds:.0f} s"
    )
    result("ridge_thesis" if device == "cpu" else "ridge_gpu", seconds / 60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peak", nargs=2, type=int, metavar=("GENES", "FEATURES"))
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="of --peak")
    given = parser.parse_args()
    if given.peak:
        peak(*given.peak, given.device)
    else:
        compare(3000, 8000)


if __name__ == "__main__":
    main()
