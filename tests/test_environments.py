"""The environments of the rules and the container: pinned to the last package, and enough for what runs in them."""

import ast
import importlib.util
import re
import subprocess
import sys
import venv
from functools import cache
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from chrom2expr import registry
from chrom2expr.config import dependencies, runs
from test_workflow import LIBRARY, ROOT, SCRIPTS, rules, snakemake

ENVS = ROOT / "workflow/envs"
FILES = sorted(ENVS.glob("*.yaml"))
# Kinds of figures that a script finds take this; all of them are drawn.
TAKEN = {f"tabulate_{taken}.py": taken for taken in runs.TAKEN}
# What a figure's table does not need of its kind, and its drawing does not.
WITHOUT = {"draw_figure.py": "tabulate"} | dict.fromkeys(TAKEN, "draw")

_spec = importlib.util.spec_from_file_location("pin", ENVS / "pin.py")
pin = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(pin)


def environments():
    """(environment, script) of every rule."""
    return [
        (env, script)
        for _, text in rules()
        # A backbone's environment is that of the models where it has none of its own.
        for env in re.findall(r"envs/(\w+)\.yaml", text) or ["model"] * ("environment" in text.lower())
        for script in re.findall(r"scripts/(\w+\.py)", text)
    ]


def of_pip(file):
    """The packages that an environment file has pip install."""
    *_, listed = yaml.safe_load(file.read_text())["dependencies"]
    return listed["pip"]


def named(env):
    """The packages that an environment file names for its scripts; below them stands what they need."""
    above, needed, _ = (ENVS / f"{env}.yaml").read_text().partition(pin.NEEDED)
    assert needed
    return {canonicalize_name(name) for name in re.findall(r"- (\S+)==", above)}


def files_of(script):
    """A script, the library's modules that it imports, and those of the classes that it finds by name."""
    kinds, files = set(), set()
    taken = TAKEN.get(script)
    while True:
        entries = [registry.find(kind, name) for kind in kinds for name in registry.OWN[kind]]
        loaded = [
            entry.path for entry in entries if not taken or entry.kind != "figures" or entry.declares["takes"] == taken
        ]
        found = dependencies.modules(SCRIPTS, script, loaded, {WITHOUT.get(script, "")})
        fresh = {SCRIPTS / script, *found} - files
        if not fresh:
            return files
        files |= fresh
        kinds |= {kind for file in fresh for kind in found_by_name(file)}


@cache
def found_by_name(file):
    """The kinds of which a module finds classes by name; the config's modules only read what these declare."""
    calls = [node for node in at_work(file) if isinstance(node, ast.Call)]
    finding = [call.args[0] for call in calls if ast.unparse(call.func) in ("registry.find", "registry.build")]
    return set() if file.parent == LIBRARY / "config" else {ast.literal_eval(kind) for kind in finding}


@cache
def imported(file):
    """The modules of other packages that a module imports, at its head or in a function."""
    names = set()
    for node in at_work(file):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module)
    own = set(sys.stdlib_module_names) | {"chrom2expr"}
    return {name for name in names if name.partition(".")[0] not in own}


@cache
def at_work(file):
    """The nodes of a module's text, but for what only a type checker sees."""
    text = ast.parse(file.read_text())
    text.body = [
        line for line in text.body if not (isinstance(line, ast.If) and "TYPE_CHECKING" in ast.dump(line.test))
    ]
    return [*ast.walk(text)]


@cache
def distributions():
    """Distributions by the modules they bring."""
    return packages_distributions()


def test_every_environment_holds_what_its_scripts_import():
    assert {script for _, script in environments()} == {file.name for file in SCRIPTS.glob("*.py")}
    for env, script in environments():
        modules = {name.partition(".")[0] for file in files_of(script) for name in imported(file)}
        missing = {canonicalize_name(distributions()[name][0]) for name in modules} - named(env)
        assert not missing, f"{script} needs more than envs/{env}.yaml"


def test_classes_that_are_found_by_name_count():
    """And those that these find in their turn."""
    assert LIBRARY / "backbones/enformer.py" in files_of("predict_tracks.py")
    assert LIBRARY / "losses/hybrid.py" in files_of("finetune_backbone.py")
    assert LIBRARY / "backbones/beluga.py" in files_of("join_tissues.py")


def test_environments_are_what_their_packages_need():
    """As `make pins` writes them: every package with one version, that of requirements.txt."""
    texts = pin.pinned()
    assert [*texts] and {*texts} == {*FILES}
    for file, text in texts.items():
        assert file.read_text() == text, f"{file.name}: run make pins"


def test_every_package_has_one_exact_version():
    versions = {
        canonicalize_name(name): version
        for file in ("requirements.txt", "requirements-cuda.txt")
        for name, version in pin.pins(file).items()
    }
    for file in FILES:
        for line in of_pip(file):
            [found] = Requirement(line).specifier
            assert found.operator == "==", line
            assert found.version.removesuffix("+cpu") == versions[canonicalize_name(Requirement(line).name)], line
        *conda, _ = yaml.safe_load(file.read_text())["dependencies"]
        assert conda == [f"python={pin.PLATFORM['python_full_version']}", conda[1]]
        assert re.fullmatch(r"pip=\d+\.\d+", conda[1])


def test_requirements_hold_all_that_they_need():
    """What is not listed would come at any version."""
    held = set(map(canonicalize_name, pin.pins("requirements.txt")))
    cuda = set(map(canonicalize_name, pin.pins("requirements-cuda.txt")))
    assert pin.closure(held, cuda) == held and not held & cuda


def test_what_a_package_needs_follows_extras_and_markers(monkeypatch):
    needs = {
        "a": ["B[fast]>=1", 'c; sys_platform == "win32"', 'd; extra == "more"', "gone"],
        "b": ["e_f", 'g; extra == "fast"', 'a; extra == "fast"'],
    }
    monkeypatch.setattr(pin, "requires", needs.get)
    assert pin.closure(["A"], {"gone"}) == {"a", "b", "e-f", "g"}


def test_the_cpu_build_is_the_same_but_for_cuda():
    with_cuda, cpu = (
        {canonicalize_name(Requirement(line).name): line for line in of_pip(ENVS / f"{name}.yaml")}
        for name in ("model", "model_cpu")
    )
    assert {*with_cuda} - {*cpu} == set(map(canonicalize_name, pin.pins("requirements-cuda.txt")))
    assert {name for name, line in cpu.items() if line != with_cuda[name]} == {"torch"}


@pytest.mark.slow
@pytest.mark.parametrize("env", ["data", "figures", "planning", "model_cpu"])
def test_an_environment_of_its_pins_alone_imports_what_its_scripts_do(env, tmp_path):
    """In a job, Snakemake's own packages would stand in for a missing one. The files are those installed here."""
    venv.create(tmp_path)
    python, purelib = tmp_path / "bin/python", next((tmp_path / "lib").glob("*/site-packages"))
    for line in of_pip(ENVS / f"{env}.yaml"):
        name, version = re.fullmatch(r"(\S+)==(\S+)", line).groups()
        installed = distribution(name)
        if installed.version.partition("+")[0] != version.partition("+")[0]:
            pytest.skip(f"{name} is installed here as {installed.version}, not as {version}")
        for file in installed.files:
            if ".." not in file.parts:
                link(Path(installed.locate_file(file)), purelib / file)
    done = subprocess.run([sys.executable, "-m", "pip", "--python", python, "check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    files = {file for own, script in environments() if own == env.removesuffix("_cpu") for file in files_of(script)}
    library = {file.relative_to(SCRIPTS).with_suffix("") for file in files if LIBRARY in file.parents}
    names = {".".join(file.parts).removesuffix(".__init__") for file in library}
    names |= {name for file in files for name in imported(file)}
    assert len(names) > 10
    code = f"import importlib, sys; sys.path.append({str(SCRIPTS)!r}); [*map(importlib.import_module, {sorted(names)})]"
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def link(file, place):
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.exists():  # two packages may bring a file of one name
        place.symlink_to(file)


# --- the container -----------------------------------------------------------------------------------------------


def steps():
    """(instruction, rest) of the Dockerfile, with lines that go on joined."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def test_the_image_has_what_it_copies_and_the_environments_python():
    [*copied] = [rest.split() for instruction, rest in steps() if instruction == "COPY"]
    sources = [source for words in copied if not words[0].startswith("--from") for source in words[:-1]]
    allowed = re.findall(r"^!(.*)", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert sorted(sources) == sorted(allowed) and all((ROOT / source).exists() for source in sources)
    images = [rest.split()[0] for instruction, rest in steps() if instruction == "FROM"]
    version = pin.PLATFORM["python_full_version"]
    assert len(images) == 2 and all(re.fullmatch(rf"python:{version}(-slim)?-trixie", image) for image in images)


def test_the_image_installs_as_make_does():
    """The same packages by the same options, and all that the build of the package reads."""
    recipe = (ROOT / "Makefile").read_text()
    installs = [rest for instruction, rest in steps() if instruction == "RUN" and "pip install" in rest]
    for install in installs:
        options = re.findall(r"--(?:requirement|constraint) \S+|--no-\S+", install)
        assert options and all(option in recipe for option in options)
    [build] = [
        words for words in re.findall(r"COPY (.*) \./", (ROOT / "Dockerfile").read_text()) if "pyproject" in words
    ]
    assert {"README.md", "LICENSE"} <= set(build.split())


def test_apptainer_needs_an_image_and_all_jobs_run_in_it():
    asked = ["results/figures/fig3_1.pdf", "-n", "--cores", "1", "--sdm", "apptainer"]
    refused = snakemake(*asked)
    assert (
        refused.returncode != 0
        and "name it in the config, `container: chrom2expr.sif`" in refused.stdout + refused.stderr
    )
    planned = snakemake(*asked, "--config", "container=chrom2expr.sif")
    assert planned.returncode == 0, planned.stderr
