"""A GPU that is there and cannot be used stops a job, unless the config lets it use the CPU."""

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
    made = [provenance("s", "w.pth", "w", {}, ("torch",), torch.device(kind)) for kind in ("cpu", "cuda")]
    assert [one["precision"] for one in made] == ["float32", "bfloat16"]
    assert [one["device"] for one in made] == ["cpu", "cuda"]
