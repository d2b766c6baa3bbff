"""Two runs at once: in one folder, of one set of downloads, of one result: refused plainly, or the same bytes."""

import hashlib
import json
import signal
import threading

import pytest
from disturbed import OPTIONS, RESOURCES, RESULTS, SCORED, TARGET, differing, ended, scripts, until

from file_server import serving

pytestmark = pytest.mark.faults
RIDGE = f"{RESULTS}/models/enformer_experimental"


def test_a_second_run_in_a_folder_is_refused(clone, undisturbed):
    clone.lack(*SCORED)
    with ended(clone.start()) as first:
        assert until(first, lambda _: scripts(first))
        first.said.rename(clone.folder.parent / "first")
        first.said = clone.folder.parent / "first"
        first.send_signal(signal.SIGSTOP)
        said = clone.refused()
        first.send_signal(signal.SIGCONT)
        assert "Directory cannot be locked" in said, said
        status, said = clone.ends(first)
        assert status == 0, said
    assert differing(clone.results(), undisturbed.expected) == []


def test_two_runs_that_do_not_lock_end_in_the_same_bytes(clone, undisturbed):
    """Both do the same jobs at the same time, each beside the other's half written files."""
    clone.lack(RIDGE, f"{RESULTS}/models/enformer_predicted/*/multi_cnn")
    with ended(clone.start(TARGET, "--nolock")) as first:
        first.said.rename(clone.folder.parent / "first")
        first.said = clone.folder.parent / "first"
        with ended(clone.start(TARGET, "--nolock")) as second:
            ends = [clone.ends(process) for process in (first, second)]
    for _, said in ends:
        assert "not foreseen" not in said, said[-6000:]
    clone.run()
    assert differing(clone.results(), undisturbed.expected) == []


def test_two_folders_that_share_downloads_fetch_each_once(undisturbed, tmp_path):
    """The second finds the file under way, says whose it is, and has it once it has come."""
    www, shared, go_on = tmp_path / "www", tmp_path / "shared", threading.Event()
    www.mkdir()
    content = undisturbed.path(f"{RESOURCES}/simulated/geneanno.csv").read_bytes()
    (www / "geneanno.csv").write_bytes(content)
    file = shared / "gene_annotation/geneanno.csv"

    def slowly(handler, content):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        for sent in range(len(content)):
            handler.wfile.write(content[sent : sent + 1])
            handler.wfile.flush()
            go_on.wait(1)

    with serving(www) as server:
        overlay = tmp_path / "shared.yaml"
        resource = {"url": f"{server.url}/geneanno.csv", "path": None, "sha256": hashlib.sha256(content).hexdigest()}
        roots = {"resources": str(shared)}
        overlay.write_text(json.dumps({"pathvars": roots, "resources": {"gene_annotation": resource}}))
        server.faults["/geneanno.csv"] = [slowly]
        clones = [undisturbed.copy(tmp_path / name) for name in ("one", "two")]
        options = (*OPTIONS, str(overlay))
        with ended(clones[0].start(str(file), options=options)) as first:
            assert until(first, lambda _: any(file.parent.glob(".*.part")))
            said = clones[1].refused(str(file), options=options)
            assert "held by process" in said and "then run again" in said, said
            go_on.set()
            assert clones[0].ends(first)[0] == 0
        assert file.read_bytes() == content
        assert "Nothing to be done" in clones[1].run(str(file), options=options)
        assert len(server.asked) == 1
