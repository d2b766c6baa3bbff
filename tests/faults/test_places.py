"""Folders of any name, behind links, on several disks: the same bytes."""

import json
import shutil
import tempfile
from pathlib import Path

import pytest
from disturbed import MADE, OPTIONS, RESOURCES, RESULTS, Clone, differing

pytestmark = pytest.mark.faults
ODD = "-a b'c %s ü &(é);#"


@pytest.fixture
def elsewhere(tmp_path):
    """A folder on another disk, if there is one."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as name:
        yield Path(name)


def test_a_clone_of_an_odd_name_with_links_to_another_disk(undisturbed, tmp_path, elsewhere):
    (tmp_path / ODD).mkdir()
    undisturbed.copy(tmp_path / ODD / "$X~")
    for name in (RESULTS, RESOURCES):
        place = tmp_path / ODD / "$X~" / name
        shutil.copytree(place, elsewhere / ODD / name, symlinks=True)
        shutil.rmtree(place)
        place.symlink_to(elsewhere / ODD / name)
    (tmp_path / "tmp").symlink_to(elsewhere)
    (tmp_path / "-link").symlink_to(tmp_path / ODD / "$X~")
    clone = Clone(tmp_path / "-link", TMPDIR=str(tmp_path / "tmp"))
    clone.lack(*MADE)
    clone.run()
    assert differing(clone.results(), undisturbed.expected) == []


def test_own_files_and_results_in_places_of_odd_names(clone, undisturbed, tmp_path, elsewhere):
    own, results = tmp_path / ODD, elsewhere / ODD / "results"
    own.mkdir()
    simulated, names = clone.path(f"{RESOURCES}/simulated"), {}
    for resource, name in (
        ("gene_annotation", "geneanno.csv"),
        ("gene_expression", "geneanno.exp.csv"),
        ("liftover_chain", "grch37ToGrch38.over.chain.gz"),
        ("genome_grch38", "grch38.fa"),
        ("enformer_tracks", "targets_human.txt"),
    ):
        names[resource] = {"path": str(shutil.copy(simulated / name, own / f"{ODD} {name}"))}
    overlay = tmp_path / f"{ODD}.yaml"
    roots = {"results": str(results), "logs": f"{results}/logs", "benchmarks": f"{results}/benchmarks"}
    overlay.write_text(json.dumps({"pathvars": roots, "resources": names}))
    made = [f"{results}/{name}" for name in ("genes/expression.h5", "sequences/enformer/001.h5")]
    clone.run(*made, options=(*OPTIONS, str(overlay)))
    clone.lack(f"{RESULTS}/genes", f"{RESULTS}/sequences")
    for part in ("genes", "sequences"):
        shutil.copytree(results / part, clone.path(f"{RESULTS}/{part}"))
    clone.path(f"{RESULTS}/genes/contigs.json").unlink()  # says where the chain lies
    found = clone.results(f"{RESULTS}/genes", f"{RESULTS}/sequences/enformer")
    assert len(found) > 3 and found.items() <= undisturbed.expected.items()
