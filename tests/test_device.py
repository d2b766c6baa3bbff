"""Which GPU a job takes, what happens where it cannot be used, and in which precision it computes.

A GPU that is there and cannot be used stops a job, unless the config lets it use the CPU.
"""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from chrom2expr.backbones import device
from chrom2expr.backbones.inference import provenance
from chrom2expr.errors import SystemTrouble

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="for a machine without a GPU that PyTorch can use")


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Where the driver would show its cards; empty at first."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(device, "_PLACES", ((str(tmp_path), "nvidia[0-9]*"),))
    return tmp_path


@pytest.mark.parametrize("hidden", [None, "", "-1", "NoDevFiles"])
def test_without_a_gpu_the_cpu_is_used(places, monkeypatch, hidden):
    if hidden is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        (places / "nvidia0").touch()
    assert device.choose_device().type == "cpu"


@pytest.mark.parametrize("seen", ["card", "given"])
def test_a_gpu_that_cannot_be_used_stops_the_job_or_is_said_on_the_console(places, monkeypatch, capfd, seen):
    if seen == "card":
        (places / "nvidia0").touch()
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(SystemTrouble, match=r"there is a GPU .*cannot use it: .*allow_cpu: true"):
        device.choose_device()
    assert device.choose_device(allow_cpu=True).type == "cpu"
    assert "this job computes on the CPU" in capfd.readouterr().err


def test_a_gpu_that_fails_at_the_first_product_is_one_that_cannot_be_used(places, monkeypatch):
    """A build of PyTorch for newer cards sees the GPU, and has no code for it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(SystemTrouble, match="found by PyTorch"):
        device.choose_device()


def test_precision_is_part_of_what_a_shard_is(monkeypatch):
    def made(asked, kind):
        return provenance("s", "w.pth", "w", {"precision": asked}, ("torch",), torch.device(kind))

    found = {asked: [made(asked, kind)["precision"] for kind in ("cpu", "cuda")] for asked in device.PRECISIONS}
    assert found == {"fp32": ["float32"] * 2, "bf16": ["bfloat16"] * 2, "auto": ["float32", "bfloat16"]}
    assert made("auto", "cpu")["device"] == "cpu"


@pytest.mark.parametrize(
    ("asked", "flags", "said"),
    [
        ("auto", "avx2 amx_bf16", "this CPU multiplies bfloat16 faster"),
        ("auto", "avx2", None),
        ("bf16", "avx2", "Warning: this CPU has no instructions for bfloat16"),
        ("bf16", "avx512_bf16", None),
    ],
)
def test_a_log_says_what_bfloat16_would_be_here(asked, flags, said, monkeypatch, capsys):
    monkeypatch.setattr(device, "_cpu_flags", lambda: set(flags.split()))
    device.say_precision(asked, torch.device("cpu"))
    first, *more = capsys.readouterr().out.splitlines()
    assert first == f"precision: {'bfloat16' if asked == 'bf16' else 'float32'}"
    assert [line[: len(said)] for line in more] == [said] if said else not more


TAKER = """
import sys
from pathlib import Path
from chrom2expr.backbones.device import cards_held, take_cards
print(*take_cards(sys.argv[3:], int(sys.argv[1]), Path(sys.argv[2])), flush=True)
assert cards_held() == take_cards(sys.argv[3:], int(sys.argv[1]), Path(sys.argv[2]))
sys.stdin.read()
"""


@pytest.fixture
def taker(tmp_path):
    """Starts a job that takes so many of the cards a, b (or other ones): it, and the cards that it was given."""
    jobs = []

    def start(count, *names):
        command = [sys.executable, "-c", TAKER, str(count), str(tmp_path / "locks"), *(names or "ab")]
        jobs.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return jobs[-1], [*map(int, jobs[-1].stdout.readline().split())]

    yield start
    for job in jobs:
        job.communicate("")


def test_every_job_takes_a_card_of_its_own_while_there_are_any(taker):
    (first, one), (_, other), (_, third), (_, fourth) = [taker(1) for _ in range(4)]
    assert (one, other) == ([0], [1])
    assert (third, fourth) == ([0], [1]), "where all are taken, they are shared evenly"
    first.kill()
    first.wait()
    assert taker(1)[1] == [0], "a killed job leaves its card"


def test_a_job_takes_as_many_cards_as_it_asks_for_and_as_there_are(taker):
    assert taker(2, *"abc")[1] == [0, 1]
    assert taker(2, *"abc")[1] == [2, 0], "the free one first"
    assert taker(3)[1] == [1, 0], "a has two jobs"


def test_a_job_that_asked_for_no_gpu_takes_none(places, capsys):
    (places / "nvidia0").touch()
    assert device.choose_device(cards=0).type == "cpu"
    assert device.take_cards([], 1, places / "locks") == []


def test_float32_is_the_same_in_products_and_convolutions(places):
    def found():
        backends = torch.backends
        return {
            backends.cuda.matmul.fp32_precision,
            backends.cudnn.conv.fp32_precision,
            backends.cudnn.rnn.fp32_precision,
        }

    device.choose_device()
    assert found() == {"ieee"}
    with pytest.raises(KeyError), device.tensor_float32():
        assert found() == {"tf32"}
        raise KeyError
    assert found() == {"ieee"}
    assert [device.training_precision(torch.device(kind)) for kind in ("cpu", "cuda")] == ["float32", "tf32"]


def test_memory_that_is_used_up_is_said_with_the_key_to_lower():
    with (
        pytest.raises(SystemTrouble, match=r"Lower heads: NAME: settings: bundle, or take .* \(CUDA out of memory"),
        device.memory_advice("heads: NAME: settings: bundle"),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore of it")
    with pytest.raises(RuntimeError, match="^other$"), device.memory_advice("x"):
        raise RuntimeError("other")


def test_the_check_of_a_gpu_runs(capsys):
    check = runpy.run_path(str(Path(__file__).resolve().parents[1] / "benchmarks/gpu_check.py"))["main"]
    assert check([]) == 1 and "No GPU is here" in capsys.readouterr().err
    assert check(["--device", "cpu", "--small"]) == 0
    said = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines() if "  " in line)
    assert float(said["attention, 9 bins, fused in float32"].split()[-1]) < 1e-6
    assert {"predict, batch 2", "fine-tuning step, bf16, checkpointed", "bundle of 2, cudnn.benchmark"} <= said.keys()
    assert "out of memory" not in said.values()
