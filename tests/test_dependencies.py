"""What an edit reruns: what it can change, and nothing else."""

import ast
import json
import shutil
from pathlib import Path

import pytest

from chrom2expr import registry
from chrom2expr.config import dependencies, overlays, source_text
from chrom2expr.errors import InputError
from planned_jobs import ROOT, copied, planned_jobs, reruns

SCRIPTS = ROOT / "workflow" / "scripts"
LIBRARY = SCRIPTS / "chrom2expr"
MODULE = '''"""A module."""

import logging
import os.path
from chrom2expr.b import number

LOG = logging.getLogger()


class Kind:
    """A kind."""

    declares = {"api": 1, "schema": {"description": "A kind.", "properties": {"size": {"default": 3}}}}

    def draw(self, size: int = 2) -> float:
        # Why.
        if size > 3:
            raise ValueError(f"{size} is too much")
        print("drawing", size)
        LOG.info("drawing")
        return number(size) * 2.5
'''


@pytest.fixture(autouse=True)
def forget():
    """Read what lies there now."""
    _forget()
    yield
    _forget()


def _forget():
    for cached in (*vars(dependencies).values(), *vars(source_text).values()):
        if hasattr(cached, "cache_clear"):
            cached.cache_clear()
    source_text._recalled.clear()
    source_text._asked.clear()


def write(folder, **texts):
    """A library of these modules (package__module), and a script that imports the module `a`."""
    library = folder / "chrom2expr"
    shutil.rmtree(folder, ignore_errors=True)
    library.mkdir(parents=True)
    (library / "__init__.py").write_text("")
    texts = {"script": "from chrom2expr.a import Kind\nKind()\n", **texts}
    for name, text in texts.items():
        file = (folder if name == "script" else library).joinpath(*name.split("__")).with_suffix(".py")
        file.parent.mkdir(exist_ok=True)
        if file.parent not in (folder, library):
            (file.parent / "__init__.py").touch()
        file.write_text(text)
    _forget()
    return folder


def fingerprint(folder, *loaded, without=()):
    return dependencies.fingerprint(folder, "script.py", loaded, without)


B = "def number(size):\n    return size\n"


@pytest.fixture
def before(tmp_path):
    return fingerprint(write(tmp_path / "before", a=MODULE, b=B))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# Why.\n", "# Another reason.\n\n"),
        ('"""A kind."""', '"""Another kind,\n\n    told at length.\n    """'),
        ('    """A kind."""\n\n', ""),
        ("number(size) * 2.5", "(\n            number(size) * 2.50\n        )"),
        ('f"{size} is too much"', '"too much: " + str(size)'),
        ('print("drawing", size)', "print()"),
        ('LOG.info("drawing")', 'LOG.info("drawing %s", size)'),
        ('"A kind.", "prop', '"What kinds are.", "prop'),
        ('{"default": 3}', '{"default": 3, "advice": "More is slower."}'),
        ("import logging\n", "import logging\nif typing.TYPE_CHECKING:\n    import chrom2expr.c\n"),
    ],
)
def test_what_does_nothing_does_not_count(tmp_path, before, old, new):
    assert old in MODULE
    assert fingerprint(write(tmp_path / "after", a=MODULE.replace(old, new), b=B)) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2.5", "2.6"),
        ("size > 3", "size >= 3"),
        ("raise ValueError", "raise KeyError"),
        ("size: int = 2", "size: int = 3"),
        ('{"default": 3}', '{"default": 4}'),
        ('"api": 1', '"api": 2'),
        ("import os.path", "import posixpath as os"),
        ("from chrom2expr.b import number", "from chrom2expr.c import number"),
        ("from chrom2expr.b import number", "from numpy import number"),
        ("class Kind:", "@str\nclass Kind:"),
        ('LOG.info("drawing")', 'LOG.setLevel("drawing")'),
        ('print("drawing", size)', 'print("drawing", size, file=open("x", "w"))'),
        ('print("drawing", size)', 'print("drawing", size := 4)'),
        ("return number", "yield number"),
    ],
)
def test_what_does_something_counts(tmp_path, before, old, new):
    assert old in MODULE
    other = "def number(size):\n    return size + 1\n"
    assert fingerprint(write(tmp_path / "after", a=MODULE.replace(old, new), b=B, c=other)) != before


def test_an_edit_of_the_script_or_of_an_imported_module_counts(tmp_path, before):
    assert (
        fingerprint(write(tmp_path / "s", script="from chrom2expr.a import Kind\nKind(1)\n", a=MODULE, b=B)) != before
    )
    assert fingerprint(write(tmp_path / "b", a=MODULE, b=B.replace("return size", "return -size"))) != before
    assert fingerprint(write(tmp_path / "c", a=MODULE, b=B, c="X = 1\n")) == before


def test_moving_a_module_changes_nothing(tmp_path, before):
    moved = MODULE.replace("chrom2expr.b", "chrom2expr.upper.numbers")
    assert fingerprint(write(tmp_path / "moved", a=moved, upper__numbers=B)) == before
    relative = MODULE.replace("chrom2expr.b", ".b")
    assert fingerprint(write(tmp_path / "relative", a=relative, b=B)) == before
    other = fingerprint(write(tmp_path / "other", a=moved, upper__numbers=B + "X = 1\n"))
    assert other != before


def test_modules_that_change_places_count(tmp_path):
    """The same modules, but each is imported where the other was."""
    pair = {"b": "def number(size):\n    return size\n", "c": "def number(size):\n    return -size\n"}
    both = "from chrom2expr.{} import number as one\nfrom chrom2expr.{} import number as other\n"
    found = {fingerprint(write(tmp_path / "x", script=both.format(*order), **pair)) for order in ("bc", "cb")}
    assert len(found) == 2


def test_modules_that_others_pass_on_and_that_change_places_count(tmp_path):
    texts = {"b": "from chrom2expr.d import number\n", "c": "from chrom2expr.e import number\n"}
    texts |= {"d": "def number(size):\n    return size\n", "e": "def number(size):\n    return -size\n"}
    both = "from chrom2expr.{} import number as one\nfrom chrom2expr.{} import number as other\n"
    found = {fingerprint(write(tmp_path / "x", script=both.format(*order), **texts)) for order in ("bc", "cb")}
    assert len(found) == 2


def test_a_module_that_is_no_python_is_named(tmp_path):
    with pytest.raises(InputError, match=r"b\.py, line 2: is no Python: "):
        fingerprint(write(tmp_path / "x", a=MODULE, b="X = 1\ndef (\n"))


def test_what_only_talks_does_not_count(tmp_path):
    script = "from chrom2expr.job import job\nwith job():\n    from chrom2expr.a import Kind\n"
    found = {
        fingerprint(write(tmp_path / "x", script=script, a=MODULE, b=B, job=text, errors=""))
        for text in ("def job(): ...\n", "from chrom2expr import errors\ndef job():\n    return 3\n")
    }
    assert len(found) == 1


def test_imports_are_followed_within_functions_and_packages(tmp_path):
    folder = write(
        tmp_path / "x",
        script="from chrom2expr.job import job\nwith job():\n    from chrom2expr.lower import a\n",
        lower__a="from chrom2expr.upper.b import x\n",
        upper__b="import numpy\nimport chrom2expr.errors\ndef f():\n    from chrom2expr.upper import d\n",
        upper__c="",
        upper__d="from chrom2expr.upper import b\n",  # a circle
        job="from chrom2expr.errors import y\n",
        errors="",
        found="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import chrom2expr.lower.a\n"
        "from chrom2expr.upper import c\n",
    )

    def names(*found):
        loaded = [folder / "chrom2expr" / f"{name}.py" for name in found]
        return sorted(path.stem for path in dependencies.modules(folder, "script.py", loaded))

    assert names() == ["a", "b", "d"]
    assert names("found") == ["a", "b", "c", "d", "found"]


def test_a_package_of_ones_own_is_followed_and_its_version_counts(tmp_path):
    folder = write(tmp_path / "x", a=MODULE, b=B)
    lab = tmp_path / "site" / "lab"
    (lab / "parts").mkdir(parents=True)
    texts = {
        "__init__.py": "",
        "head.py": "from lab.parts import loop\nfrom lab.sizes import SIZE\nfrom chrom2expr.b import number\n",
        "sizes.py": "SIZE = 1\n",
        "other.py": "",
        "parts/__init__.py": "",
        "parts/loop.py": "from ..sizes import SIZE\n",
    }
    for name, text in texts.items():
        (lab / name).write_text(text)
    loaded = (lab / "head.py", "Head 1.0")
    assert {path.name for path in dependencies.modules(folder, "script.py", [lab / "head.py"])} == {
        "a.py",
        "b.py",
        "head.py",
        "loop.py",
        "sizes.py",
    }
    found = [fingerprint(folder, loaded), fingerprint(folder, (lab / "head.py", "Head 1.1"))]
    for name, text in (("sizes.py", "SIZE = 2\n"), ("__init__.py", "import os\n"), ("other.py", "X = 1\n")):
        (lab / name).write_text(text)
        _forget()
        found.append(fingerprint(folder, loaded))
    assert len({*found}) == 4 and found[-1] == found[-2]


def test_a_package_without_init_is_followed(tmp_path):
    folder = write(tmp_path / "x", a=MODULE, b=B)
    heads = tmp_path / "site" / "lab" / "heads"
    heads.mkdir(parents=True)
    (heads / "head.py").write_text("from lab.heads.net import X\nimport json\n")
    found = set()
    for text in ("X = 1\n", "X = 2\n"):
        (heads / "net.py").write_text(text)
        _forget()
        found.add(fingerprint(folder, (heads / "head.py", "Head")))
    assert len(found) == 2


def test_a_file_in_the_working_directory_may_be_named_by_its_name_alone(tmp_path, monkeypatch):
    folder = write(tmp_path / "x", a=MODULE, b=B)
    (tmp_path / "__init__.py").touch()
    (tmp_path / "mine.py").write_text("import json\n")
    monkeypatch.chdir(tmp_path)
    assert fingerprint(folder, ("mine.py", "Mine")) == fingerprint(folder, (tmp_path / "mine.py", "Mine"))


def test_a_method_and_what_it_alone_imports_can_be_left_out(tmp_path):
    kind = "class Kind:\n    def draw(self):\n        import chrom2expr.b\n    def tabulate(self):\n        import chrom2expr.c\n"
    texts = {"a": "def draw():\n    import chrom2expr.d\n", "b": "", "c": "", "d": "", "kind": kind}

    def found(without, **changes):
        folder = write(tmp_path / "x", script="from chrom2expr import a\n", **{**texts, **changes})
        file = folder / "chrom2expr" / "kind.py"
        names = [path.stem for path in dependencies.modules(folder, "script.py", [file], without)]
        return names, fingerprint(folder, (file, "Kind"), without=without)

    assert found(())[0] == ["a", "b", "c", "d", "kind"]
    assert found({"draw"})[0] == ["a", "c", "d", "kind"] and found({"tabulate"})[0] == ["a", "b", "d", "kind"]
    drawn = kind.replace("import chrom2expr.b", "return 3")
    assert found({"draw"}, kind=drawn) == found({"draw"})
    assert found({"draw"}, b="X = 1\n") == found({"draw"}) and found({"draw"}, c="X = 1\n") != found({"draw"})
    # What is called is not left out.
    for call in ("kind.draw()", "getattr(kind, 'draw')()"):
        assert found({"draw"}, a=f"def f(kind):\n    return {call}\n")[0] == ["a", "b", "c", "kind"]


# --- the library -------------------------------------------------------------------------------------------------


def used(script, *entries, without=()):
    loaded = [registry.find(*entry).path for entry in entries]
    files = dependencies.modules(SCRIPTS, script, loaded, without)
    return {path.relative_to(LIBRARY).with_suffix("").as_posix() for path in files}


def test_what_a_job_does_not_need_it_does_not_depend_on():
    for script in ("split_genes.py", "compute_targets.py", "extract_sequences.py", "bin_bigwigs.py"):
        assert "genome/genes" in used(script) and "genome/liftover" not in used(script)
    ridge = used("fit_head.py", ("heads", "ridge"), ("losses", "hybrid"))
    assert not ridge & {"heads/training", "heads/network_head", "heads/cnn"}
    assert "backbones/predicting" not in used("embed_sequences.py", ("backbones", "enformer"))
    assert "backbones/embedding" not in used("predict_tracks.py", ("backbones", "enformer"))
    for kind in registry.OWN["figures"]:
        drawing = used("draw_figure.py", ("figures", kind), without={"tabulate"})
        assert {name.partition("/")[0] for name in drawing} == {"figures", "files"}
    for script, *entries in (
        ("predict_tracks.py", *(("backbones", name) for name in registry.OWN["backbones"])),
        ("fit_head.py", ("heads", "cnn"), ("losses", "hybrid")),
        ("bin_bigwigs.py",),
    ):
        assert not {name.partition("/")[0] for name in used(script, *entries)} & {"figures", "config", "simulation"}


def test_what_was_read_before_is_not_read_again(tmp_path, monkeypatch):
    """And gives the same, imports under another name, of other packages and of the package above included."""
    kept = tmp_path / "kept/texts.json"
    module = MODULE.replace("import os.path", "import os.path as place\nfrom . import b\nfrom .b import number as n")
    write(tmp_path / "scripts", a=module, b="number = float\n")

    def told(without=()):
        return dependencies.fingerprint(tmp_path / "scripts", "script.py", without=without)

    read, parse = [], ast.parse
    monkeypatch.setattr(source_text.ast, "parse", lambda text, *more: read.append(text) or parse(text, *more))
    first = told(), told({"draw"})
    assert len(set(read)) == 3 and first[0] != first[1]
    source_text.keep(kept)
    _forget()
    source_text.recall(kept)
    read.clear()
    assert (told(), told({"draw"})) == first and not read
    written = kept.stat().st_mtime_ns
    source_text.keep(kept)
    assert kept.stat().st_mtime_ns == written  # nothing was new

    (tmp_path / "scripts/chrom2expr/b.py").write_text("number = int\n")
    _forget()
    source_text.recall(kept)
    assert told() != first[0] and read == [b"number = int\n"]
    source_text.keep(kept)
    assert kept.stat().st_mtime_ns > written


@pytest.mark.parametrize("spoilt", ["", "[]", "{}", '{"reader": "another", "texts": {}}', b"\xff"])
def test_what_was_kept_and_cannot_be_used_is_read_again(tmp_path, spoilt):
    kept = tmp_path / "texts.json"
    kept.write_bytes(spoilt if isinstance(spoilt, bytes) else spoilt.encode())
    write(tmp_path / "scripts", a=MODULE, b="number = float\n")
    source_text.recall(kept)
    found = dependencies.fingerprint(tmp_path / "scripts", "script.py")
    source_text.keep(kept)
    assert len(json.loads(kept.read_text())["texts"]) == 3
    _forget()
    assert dependencies.fingerprint(tmp_path / "scripts", "script.py") == found
    source_text.keep(tmp_path / "texts.json/in/a/file")  # what cannot be written is not


def rewritten(text):
    """The same program without comments and docstrings, with other messages, formatted otherwise."""

    class Editor(ast.NodeTransformer):
        def visit_Raise(self, node):
            if isinstance(node.exc, ast.Call):
                node.exc.args, node.exc.keywords = [ast.Constant("another message")], []
            return node

        def visit_Call(self, node):
            self.generic_visit(node)
            if isinstance(node.func, ast.Name) and node.func.id == "print":
                node.args = [ast.Constant("another line")]
            return node

        def visit_Expr(self, node):
            self.generic_visit(node)
            return ast.Expr(ast.Constant("Another docstring.")) if isinstance(node.value, ast.Constant) else node

    return "# Edited.\n" + ast.unparse(ast.fix_missing_locations(Editor().visit(ast.parse(text)))) + "\n\n\n"


FIGURES = [f"results/demo/figures/fig{name}.pdf" for name in ("2_1", "2_2", "2_3", "2_5", "3_2", "3_6")]
DEMO = ["config/demo.yaml"]


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """A copy of the workflow, and the demo's jobs there."""
    folder = copied(tmp_path_factory.mktemp("workflow"))
    return folder, planned_jobs(FIGURES, DEMO, folder)


def test_comments_docstrings_messages_formatting_and_the_version_rerun_nothing(planned, tmp_path):
    folder = shutil.copytree(planned[0], tmp_path / "edited")
    files = list((folder / "workflow" / "scripts").rglob("*.py"))
    assert len(files) > 100
    for file in files:
        file.write_text(rewritten(file.read_text()))
    library = folder / "workflow/scripts/chrom2expr/__init__.py"
    library.write_text(library.read_text() + "VERSION = __version__\n")
    assert not reruns(planned[1], planned_jobs(FIGURES, DEMO, folder))


@pytest.mark.parametrize(
    ("module", "rules"),
    [
        ("figures/plots.py", {"draw_figure"}),
        ("figures/score_tables.py", {"tabulate_scores", "tabulate_attention", "tabulate_models", "tabulate_sources"}),
        ("genome/liftover.py", {"lift_genes"}),
        ("heads/cnn.py", {"fit_head", "tabulate_models"}),
        ("backbones/predicting.py", {"predict_tracks"}),
        ("losses/hybrid.py", {"fit_head", "finetune_backbone"}),
    ],
)
def test_a_constant_in_a_module_reruns_what_runs_it(planned, tmp_path, module, rules):
    folder = shutil.copytree(planned[0], tmp_path / "edited")
    with open(folder / "workflow/scripts/chrom2expr" / module, "a") as file:
        file.write("\nEDITED = 1\n")
    found = reruns(planned[1], planned_jobs(FIGURES, DEMO, folder))
    assert {rule for rule, _ in found} == rules
    if module == "heads/cnn.py":
        heads = {Path(output).parts[-3] for rule, output in found if rule == "fit_head"}
        assert heads == {"multi_cnn", "multi_cnn_by_cross_gene", "multi_cnn_cage", "single_cnn"}


UNUSED = {
    "resources": {"lab_tracks": {"path": "lab.txt"}, "lab_weights": {"path": "lab.pth"}},
    "splits": {"lab": {"held_out": ["chr3"]}},
    "sources": {
        "lab": {
            "kind": "measured", "backbone": "enformer", "split": "lab", "tracks": "lab_tracks", "groups": 3,
            "missing_bigwigs": "skip", "bigwigs": {"": "<resources>/lab/{identifier}.bw"},
        },
        "predicted_lab": {"kind": "predicted", "backbone": "lab", "split": "lab"},
    },
    "inputs": {"narrow": {"tracks": "chromatin", "bins": 4}},
    "losses": {"lab": {"alpha": 3, "beta": 2}},
    "heads": {"lab": {"type": "ridge", "features": "spatial_basis", "select_by": "validation_cross_gene", "grid": {"penalty": [1]}}},
    "figures": {
        "lab": {
            "kind": "scores", "groups": "head",
            "runs": [{"source": "lab", "inputs": "narrow", "head": "lab", "loss": "mse"}],
        }
    },
}  # fmt: skip


UNUSED_BACKBONE = {
    "type": "beluga", "weights": "lab_weights", "tracks": "beluga_tracks", "assembly": "grch37", "settings": {},
    "geometry": {"window": 2000, "bins": 4, "bin_size": 200}, "shards": 3, "batch_size": 1, "central_bins": 0,
    "reverse_complement": False, "precision": "auto", "mem_mb": 1000, "runtime": 1,
}  # fmt: skip


def test_an_entry_that_is_not_used_plans_nothing(planned, tmp_path):
    folder, before = planned
    (tmp_path / "unused.yaml").write_text(json.dumps({**UNUSED, "backbones": {"lab": UNUSED_BACKBONE}}))
    assert not reruns(before, planned_jobs(FIGURES, [*DEMO, tmp_path / "unused.yaml"], folder))


def turned(section):
    """The same section with its keys in another order, at all depths."""
    return {key: turned(section[key]) for key in reversed(section)} if isinstance(section, dict) else section


@pytest.mark.slow
def test_the_order_of_keys_reruns_nothing(tmp_path):
    config = overlays.read([ROOT / "config/config.yaml", ROOT / DEMO[0]])
    (tmp_path / "turned.yaml").write_text(json.dumps(turned(config)))
    targets = [f"results/demo/tables/{name}.tsv" for name in ("catalogue", "leakage", "reproduction")] + FIGURES
    jobs = [planned_jobs(targets, files) for files in (DEMO, [*DEMO, tmp_path / "turned.yaml"])]
    # Inputs have no order for Snakemake.
    before, after = ({key: job._replace(inputs=sorted(job.inputs)) for key, job in some.items()} for some in jobs)
    assert not reruns(before, after)
