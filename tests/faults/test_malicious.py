"""Files that were made to do harm, or that chance has spoilt: nothing in them is run, and what is wrong is said."""

import gzip
import os
import pickle
import random
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from disturbed import ROOT, new_clone, rounds
from spoilt import READERS

from chrom2expr.backbones.backbone import read_checkpoint
from chrom2expr.config import overlays
from chrom2expr.errors import InputError
from chrom2expr.files.tensors import read_tensors
from chrom2expr.files.whole import Format
from chrom2expr.simulation import lab_files

pytestmark = pytest.mark.faults


# --- pickles -----------------------------------------------------------------------------------------------------


class Payload:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, path):
        self.command = f"touch {path}"

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("read", [read_checkpoint, lambda path: read_tensors(path, Format("model", 1))])
@pytest.mark.parametrize("kind", ["zip", "legacy", "plain", "within"])
def test_no_pickle_is_run(tmp_path, read, kind):
    path, touched = tmp_path / "weights.pth", tmp_path / "touched"
    payload = Payload(touched)
    if kind == "plain":
        path.write_bytes(pickle.dumps(payload))
    else:
        content = {"state_dict": {"a": torch.ones(1)}, "more": payload} if kind == "within" else payload
        torch.save(content, path, _use_new_zipfile_serialization=kind != "legacy")
    with pytest.raises(InputError, match="weights.pth"):
        read(path)
    assert not touched.exists()
    pickle.loads(pickle.dumps(payload))
    assert touched.exists()


# --- YAML --------------------------------------------------------------------------------------------------------

BOMB = "a0: &a0 [1, 1]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
CONFIGS = {
    "a call": ("seed: !!python/object/apply:os.system ['touch touched']\n", "line 1: is not YAML"),
    "a key twice": (
        "losses:\n  mse: {type: mse}\nseed: 3\nlosses: {}\n",
        "line 4: is not YAML .the key losses is there",
    ),
    "a bomb": (BOMB, "its anchors unfold to [0-9,]{9,} values"),
    "itself": ("losses: &all {more: *all}\n", "a section holds itself"),
    "depth": ("seed: " + "[" * 5000 + "]" * 5000, "too deep"),
    "a tab": ("losses:\n\tmse: {}\n", "line 2: is not YAML"),
    "other bytes": (b"seed: \xff\n", "is not UTF-8"),
    "nothing": (b"\0" * 100, "is not YAML"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_is_read_as_data(tmp_path, name, monkeypatch):
    content, message = CONFIGS[name]
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=f"mine.yaml.*{message}"):
        overlays.read([path])
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("name", ["a call", "a key twice", "a bomb"])
def test_snakemake_is_told_the_same(tmp_path, name):
    clone = new_clone(tmp_path / "clone")
    content, message = CONFIGS[name]
    clone.path("mine.yaml").write_text(content)
    said = clone.refused("-n", options=("--configfile", "mine.yaml"))
    assert name == "a call" or "mine.yaml" in said, said
    assert not clone.path("touched").exists()


# --- spoilt files ------------------------------------------------------------------------------------------------


def spoilt(content, choice):
    """Bytes with one or a few faults in them, as chance or malice makes them."""
    data = bytearray(content)
    for _ in range(choice.randint(1, 3)):
        start = choice.randrange(max(1, len(data)))
        end = min(len(data), start + choice.choice([1, 4, 40, 400]))
        fault = choice.randrange(8)
        if fault == 0:
            del data[start:]
        elif fault == 1:
            del data[start:end]
        elif fault == 2:
            data[start:start] = data[start:end] * choice.choice([1, 50])
        elif fault == 3:
            data[start:end] = choice.randbytes(end - start)
        elif fault == 4:
            data[start:end] = bytes(end - start)
        elif fault == 5:
            data[start:start] = choice.choice(
                [b"9" * 400, b"-1", b"1e999", b"nan", b"\xff\xfe", b"\t\t", b"\n\n", b'"']
            )
        elif fault == 6:
            data[start:start] = b"A" * 300_000
        else:
            place = data.find(choice.choice([b"\t", b",", b"\n", b"0", b"+"]), start)
            data[place : place + 1] = choice.choice([b"", b" ", b"99999999999999999999", b"-", b"\r", b"\xc3"])
    return bytes(data)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Small files of every kind that is read."""
    folder = tmp_path_factory.mktemp("whole")
    for species in lab_files.SPECIES:
        lab_files.write(folder / species, species)
    return folder


@rounds
@pytest.mark.parametrize("kind", READERS)
def test_a_spoilt_file_is_named_or_read(undisturbed, whole, tmp_path, kind, seed):
    """In a process of its own, which may take 4 GiB of memory and 60 s: readers in C have crashed for less."""
    choice, files = random.Random(f"{seed} {kind}"), []
    roots = {"lab": whole, "simulated": undisturbed.path("resources/demo/simulated")}
    root, _, name = READERS[kind].file.partition("/")
    content = (roots[root] / name).read_bytes()
    for number in range(30):
        files.append(tmp_path / f"{number}" / Path(name).name)
        files[-1].parent.mkdir()
        if name.endswith(".gz") and choice.random() < 0.8:  # the checksum of gzip would find all that is done to it
            files[-1].write_bytes(gzip.compress(spoilt(gzip.decompress(content), choice), 1))
        else:
            trusted = READERS[kind].trusted
            files[-1].write_bytes(content[:trusted] + spoilt(content[trusted:], choice))
    copy = tmp_path / "whole" / Path(name).name
    copy.parent.mkdir()
    copy.write_bytes(content)
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/faults/spoilt.py"), kind, str(copy), *map(str, files)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts")},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30)),
        capture_output=True,
        timeout=300,
        check=False,
    )
    said = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
    assert done.returncode == 0, said[-4000:]
