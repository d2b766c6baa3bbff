"""Files appear whole or not at all, whatever ends the writer; and what the operating system refuses is called so."""

import ast
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

import scripts
from checked_files import leftover
from chrom2expr.errors import InputError, SystemTrouble, reading, system_trouble
from chrom2expr.files import hdf5, whole
from chrom2expr.files.hdf5 import CheckedFile, create_file
from chrom2expr.files.tensors import read_tensors, write_tensors
from chrom2expr.files.whole import Format, clear_partials, whole_file
from chrom2expr.job import job

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
KIND = Format("chrom2expr test", 1)


def python(code, *arguments, **options):
    """Run code with the library at hand."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(SCRIPTS)!r})\n{code}", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


WRITER = """
import time

from types import SimpleNamespace
from chrom2expr.job import job
from chrom2expr.files.whole import whole_file
with job(SimpleNamespace(log=[sys.argv[2]], input=[], output=[], params={}, resources=None, threads=1)), whole_file(sys.argv[1]) as partial:
    partial.write_bytes(b"half")
    sys.__stdout__.write("written\\n")
    sys.__stdout__.flush()
    while True:
        time.sleep(0.05)
"""


@pytest.fixture
def writer(tmp_path):
    """A job that has half written its file."""
    process = python(WRITER, tmp_path / "made", tmp_path / "log")
    assert process.stdout.readline() == b"written\n"
    yield process
    process.kill()
    process.communicate()


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != "log")


def test_sigterm_leaves_nothing(writer, tmp_path):
    assert len(names(tmp_path)) == 1
    writer.terminate()
    assert writer.wait(timeout=20) == 128 + signal.SIGTERM
    assert names(tmp_path) == []
    assert "Stopped by SIGTERM" in (tmp_path / "log").read_text()


def test_what_sigkill_leaves_is_cleared_by_the_next_run_and_not_while_the_writer_lives(writer, tmp_path):
    [left] = names(tmp_path)
    with whole_file(tmp_path / "made") as partial:
        partial.write_bytes(b"whole")
    clear_partials(tmp_path)
    assert names(tmp_path) == sorted([left, "made"])
    writer.kill()
    writer.wait()
    with whole_file(tmp_path / "other") as partial:  # another file's writer leaves it alone
        partial.write_bytes(b"whole")
    assert left in names(tmp_path)
    with whole_file(tmp_path / "made") as partial:
        partial.write_bytes(b"anew")
    assert names(tmp_path) == ["made", "other"] and (tmp_path / "made").read_bytes() == b"anew"


def test_partial_files_of_another_machine_go_once_nothing_is_written_any_more(tmp_path, monkeypatch):
    theirs = tmp_path / leftover("made")
    theirs.write_bytes(b"half")
    monkeypatch.setattr(whole, "_MACHINE", "another")
    clear_partials(tmp_path)
    assert theirs.exists()
    old = time.time() - 7 * 3600
    os.utime(theirs, (old, old))
    clear_partials(tmp_path)
    assert not theirs.exists()


def test_files_that_take_hours_are_on_the_disk_before_they_have_their_name(tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(
        os, "fsync", lambda handle: done.append(("sync", os.readlink(f"/proc/self/fd/{handle}"))) or fsync(handle)
    )
    monkeypatch.setattr(os, "replace", lambda *paths: done.append(("rename", str(paths[1]))) or replace(*paths))
    with create_file(tmp_path / "made.h5", KIND) as file:
        file.write("a", np.ones(3))
    write_tensors(tmp_path / "made.pt", KIND, {"a": torch.ones(3)})
    for name in ("made.h5", "made.pt"):
        at = done.index(("rename", str(tmp_path / name)))
        assert done[at - 1][0] == "sync" and name in done[at - 1][1]
        assert done[at + 1] == ("sync", str(tmp_path))


# --- the operating system ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device"), "no space is left.*Make room"),
        (OSError(122, "Disk quota exceeded"), "quota there is used up"),
        (PermissionError(13, "Permission denied"), "permission is denied"),
        (OSError(30, "Read-only file system"), "can be read only"),
        (OSError(24, "Too many open files"), r"too many files are open.*ulimit -n"),
        (OSError("unable to lock file, errno = 11, error message = 'Resource temporarily unavailable'"), "is locked"),
        (OSError(108, "Cannot send after transport endpoint shutdown"), "file system was shut down"),
        (MemoryError("Unable to allocate 68.0 GiB"), "memory is used up.*mem_mb"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes"),
            "memory is used up",
        ),
        (
            OSError("Unable to open file (unable to lock file, errno = 37, error message = 'No locks available')"),
            "locked",
        ),
        (
            OSError("Can't write data (file write failed: errno = 28, error message = 'No space left')"),
            "no space is left",
        ),
        (OSError(5, "Input/output error"), "its disk failed"),
        (OSError(116, "Stale file handle"), "network file system lost it"),
    ],
)
def test_an_error_of_the_system_is_called_so_and_no_file_is_blamed(tmp_path, error, words):
    with pytest.raises(SystemTrouble, match=f"a.h5: .*{words}") as caught, reading(tmp_path / "a.h5", "feature file"):
        raise error
    assert "damaged" not in str(caught.value) and "delete" not in str(caught.value)
    log = tmp_path / "log"
    with pytest.raises(SystemExit), job(scripts.snakemake(log=[str(log)])):
        raise error
    assert "\nSystem error: " in log.read_text()


def test_what_is_no_error_of_the_system_is_not_called_so(tmp_path):
    own = RuntimeError("its own cause")
    own.__cause__ = own
    others = (ValueError("x"), OSError("truncated file: eof = 3"), KeyError("errno"), FileNotFoundError(2, "gone"))
    for error in (*others, BlockingIOError(11, "Resource temporarily unavailable"), own):
        assert system_trouble(error) is None
    try:
        try:
            raise PermissionError(13, "Permission denied")
        except PermissionError:
            raise ValueError("a mistake of another kind")  # noqa: B904
    except ValueError as error:
        assert system_trouble(error) is None


def test_an_error_in_a_writers_block_ends_the_job_as_it_is(tmp_path):
    for made in (RuntimeError("CUDA out of memory"), OSError("no errno"), ValueError("x")):
        with pytest.raises(SystemExit) as caught, job(scripts.snakemake(log=[str(tmp_path / "log")])):
            with create_file(tmp_path / "x.h5", KIND):
                raise made
        assert made in (caught.value.__cause__, caught.value.__context__) and made.__cause__ is None
    assert names(tmp_path) == []


def test_a_model_half_written_is_gone_at_sigterm(tmp_path):
    """torch makes an error of its own of what stops it in a write."""
    code = """
import os, signal

from types import SimpleNamespace
from chrom2expr.job import job
with job(SimpleNamespace(log=[sys.argv[2]], input=[], output=[], params={}, resources=None, threads=1)):
    import torch
    from chrom2expr.files.whole import Format
    from chrom2expr.files.tensors import write_tensors

    class Struck:
        def __reduce__(self):
            os.kill(os.getpid(), signal.SIGTERM)
            return (list, ())

    from chrom2expr.files import tensors
    tensors._digest = lambda *_: "x"
    write_tensors(sys.argv[1], Format("t", 1), {"a": torch.ones(1000), "b": Struck()})
"""
    done = python(code, tmp_path / "model.pt", tmp_path / "log")
    done.communicate(timeout=120)
    assert done.returncode == 128 + signal.SIGTERM
    assert names(tmp_path) == [] and "Stopped by SIGTERM" in (tmp_path / "log").read_text()


def test_a_second_sigterm_does_not_break_off_the_cleaning_up(tmp_path):
    code = """
import os, signal

from types import SimpleNamespace
from chrom2expr.job import job
with job(SimpleNamespace(log=[sys.argv[1]], input=[], output=[], params={}, resources=None, threads=1)):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        print("cleaned")
"""
    done = python(code, tmp_path / "log")
    done.communicate(timeout=60)
    assert done.returncode == 128 + signal.SIGTERM and "cleaned" in (tmp_path / "log").read_text()


def test_a_process_of_the_same_id_does_not_keep_a_leftover(tmp_path):
    left = tmp_path / whole.partial_name("made", os.getpid(), "1")
    left.write_bytes(b"half")
    clear_partials(tmp_path)
    assert not left.exists()
    whole.partial_name("made", os.getpid(), whole.began(os.getpid()))


def test_the_cause_is_found_behind_what_a_library_made_of_it():
    try:
        try:
            raise OSError(28, "No space left on device", "x.h5")
        except OSError as error:
            raise RuntimeError("unexpected pos 64 vs 0") from error
    except RuntimeError as error:
        assert "x.h5: no space is left" in str(system_trouble(error))


LIMITED = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

from types import SimpleNamespace
from chrom2expr.job import job
with job(SimpleNamespace(log=[sys.argv[2]], input=[], output=[], params={}, resources=None, threads=1)):
    import numpy as np
    import torch
    from chrom2expr.files.whole import Format
    from chrom2expr.files.hdf5 import create_file
    from chrom2expr.files.tensors import write_tensors
    if sys.argv[1].endswith(".pt"):
        write_tensors(sys.argv[1], Format("t", 1), {"a": torch.ones(100_000)})
    else:
        with create_file(sys.argv[1], Format("t", 1)) as file:
            file.create("a", (100, 1000), np.float32)
            file.put("a", 0, np.ones((100, 1000)))
"""


@pytest.mark.parametrize("name", ["model.pt", "shard.h5"])
def test_no_room_for_a_file_is_called_so(tmp_path, name):
    """A limit of the size of files stands for a full disk: a write fails in the middle."""
    done = python(LIMITED, tmp_path / name, tmp_path / "log")
    _, said = done.communicate(timeout=120)
    assert done.returncode == 1
    assert f"System error: {tmp_path / name}: the file is larger than" in said.decode(), said.decode()
    assert names(tmp_path) == []


def test_a_file_that_may_not_be_read_is_not_called_damaged():
    if os.geteuid() != 0:
        pytest.skip("becomes another user, which only root can")
    # Not below pytest's own folder, which no other user may enter.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with create_file(folder / "a.h5", KIND) as file:
            file.write("a", np.ones(3))
        write_tensors(folder / "a.pt", KIND, {"a": torch.ones(3)})
        for path, read in ((folder / "a.h5", CheckedFile), (folder / "a.pt", read_tensors)):
            path.chmod(0o600)
            child = os.fork()
            if child == 0:
                code = 3
                try:
                    os.setuid(65534)
                    read(path, KIND)
                    code = 1
                except SystemTrouble as trouble:
                    code = 0 if "permission is denied" in str(trouble) else 2
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, path


def test_files_are_read_though_another_program_holds_a_lock(tmp_path):
    """As on a file system without locks: none is asked for, neither to read nor to write."""
    with create_file(tmp_path / "a.h5", KIND) as file:
        file.write("a", np.ones(3))
        file.create("b", (2, 3), np.float32)
        file.put("b", 0, np.ones((2, 3)))
    with open(tmp_path / "a.h5") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="lock"):
            h5py.File(tmp_path / "a.h5", "r", locking=True)
        with CheckedFile(tmp_path / "a.h5", KIND) as file:
            assert file.read("a").tolist() == [1, 1, 1] and file.read("b").shape == (2, 3)


def test_no_lock_is_taken_while_writing(tmp_path, monkeypatch):
    with create_file(tmp_path / "a.h5", KIND) as file:
        [partial] = tmp_path.iterdir()
        with open(partial) as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.write("a", np.ones(3))


def test_hdf5_is_opened_in_one_place():
    """So that no other place asks for locks, or reads without checksums."""
    for path in SCRIPTS.rglob("*.py"):
        if path.name != "hdf5.py":
            assert "h5py.File" not in path.read_text(encoding="utf-8"), path
    assert all("locking=False" in line for line in Path(hdf5.__file__).read_text().splitlines() if "h5py.File(" in line)


# --- text whatever the locale ------------------------------------------------------------------------------------


def test_every_text_file_names_its_encoding():
    for path in [*SCRIPTS.rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")]:
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            name = getattr(call.func, "id", getattr(call.func, "attr", ""))
            own = isinstance(call.func, ast.Name) or isinstance(getattr(call.func, "value", None), ast.Name)
            keywords = {keyword.arg for keyword in call.keywords}
            mode = next((a.value for a in call.args[1:2] if isinstance(a, ast.Constant)), "r")
            module = getattr(getattr(call.func, "value", None), "id", "")
            if name in ("read_text", "write_text") or (
                name == "open" and own and module == "" and "b" not in str(mode)
            ):
                assert "encoding" in keywords, f"{path}, line {call.lineno}: {name} without encoding"


def test_a_message_beyond_the_locale_reaches_log_and_console(tmp_path):
    code = """

from types import SimpleNamespace
from chrom2expr.job import job
from chrom2expr.errors import InputError
with job(SimpleNamespace(log=[sys.argv[1]], input=[], output=[], params={}, resources=None, threads=1)):
    print("progress: µ, 10 → 12")
    raise InputError("genes.csv, line 2: Chr1 is unknown (chr1, chr2, … 5 in all)")
"""
    environment = {**os.environ, "LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    environment.pop("PYTHONIOENCODING", None)
    (tmp_path / "job.py").write_text(f"import sys\nsys.path.insert(0, {str(SCRIPTS)!r})\n{code}", encoding="utf-8")
    command = [sys.executable, tmp_path / "job.py", tmp_path / "log"]
    done = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment)
    _, said = done.communicate(timeout=60)
    assert done.returncode == 1 and b"Traceback" not in said
    assert b"genes.csv, line 2: Chr1 is unknown" in said
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert "µ, 10 → 12" in log and "Error: genes.csv, line 2: Chr1 is unknown (chr1, chr2, … 5 in all)" in log


def test_an_input_error_passes_through_as_it_is(tmp_path):
    with pytest.raises(InputError, match="^mine$"), reading(tmp_path / "a", "file"):
        raise InputError("mine")
