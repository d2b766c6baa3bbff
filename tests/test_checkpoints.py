"""Checkpoints as people have them, and what lies in their place."""

import pytest
import torch
from torch import nn

from chrom2expr.backbones.backbone import read_checkpoint
from chrom2expr.errors import InputError


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {f"module.{name}": value for name, value in state.items()},
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"state_dict": {f"module.{name}": value for name, value in state.items()}},
    ],
)
def test_a_state_dict_is_read_however_it_was_saved(tmp_path, network, wrap, zipped):
    path, state = tmp_path / "weights.pth", network.state_dict()
    torch.save(wrap(state), path, _use_new_zipfile_serialization=zipped)
    found = read_checkpoint(path)
    assert found.keys() == state.keys() and all(torch.equal(found[name], state[name]) for name in state)


def test_a_name_that_only_some_tensors_begin_with_is_theirs(tmp_path, network):
    state = {"module.a": torch.ones(1), "b": torch.ones(2)}
    torch.save(state, tmp_path / "weights.pth")
    assert read_checkpoint(tmp_path / "weights.pth").keys() == state.keys()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 987654321\n"


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (POINTER, "is a Git LFS pointer, not the file itself: run git lfs pull"),
        (b"\n<!DOCTYPE html><html>", "is a web page or a server's message"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code>', "is a web page or a server's message"),
        (b"", "is empty: get it again"),
        (bytes(range(256)) * 9, "not a readable checkpoint, damaged or of another kind; download it again"),
    ],
)
def test_what_lies_in_its_place_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: {message}"):
        read_checkpoint(tmp_path / name)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickled_module_is_named_and_nobody_is_told_to_run_it(tmp_path, network, zipped):
    torch.save(network, tmp_path / "weights.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        InputError, match="weights.pth: holds Python objects .* save the network's state_dict"
    ) as caught:
        read_checkpoint(tmp_path / "weights.pth")
    assert "weights_only" not in str(caught.value) and "\x1b" not in str(caught.value)
