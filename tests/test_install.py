"""chrom2expr as a package: what an install brings, and its command."""

import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

import chrom2expr
from chrom2expr import command_line
from test_workflow import snakemake

ROOT = Path(__file__).resolve().parents[1]
OFFLINE = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]


def run(*command, **options):
    done = subprocess.run([*map(str, command)], check=False, capture_output=True, text=True, **options)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    options = [*OFFLINE, "--no-build-isolation", "--wheel-dir", folder]
    status, text = run(sys.executable, "-m", "pip", "wheel", *options, ROOT)
    assert status == 0, text
    [file] = folder.glob("*.whl")
    return file


def test_the_wheel_holds_the_package_its_schemas_and_its_command(wheel):
    library = ROOT / "workflow/scripts"
    wanted = {
        path.relative_to(library).as_posix()
        for path in (library / "chrom2expr").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    with zipfile.ZipFile(wheel) as file:
        held = {name for name in file.namelist() if name.startswith("chrom2expr/")}
        [points] = [file.read(name).decode() for name in file.namelist() if name.endswith("entry_points.txt")]
        [metadata] = [file.read(name).decode() for name in file.namelist() if name.endswith("METADATA")]
    assert held == wanted
    assert {"chrom2expr/py.typed", "chrom2expr/config/config.schema.yaml"} <= held
    assert "chrom2expr = chrom2expr.command_line:main" in points
    assert f"Version: {chrom2expr.__version__}\n" in metadata


def test_an_empty_environment_imports_it_and_has_the_command(wheel, tmp_path):
    venv.create(tmp_path / "env", with_pip=True)
    programs = tmp_path / "env" / "bin"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    assert run(programs / "pip", "install", *OFFLINE, wheel, env=environment) == (0, "")
    heavy = "torch", "numpy", "pandas", "h5py", "snakemake", "matplotlib"
    code = f"import sys, chrom2expr, chrom2expr.registry; print(sys.modules.keys() & {{*{heavy}}}, chrom2expr.__file__)"
    status, text = run(programs / "python", "-c", code, cwd=tmp_path, env=environment)
    assert status == 0 and text.startswith(f"set() {tmp_path}"), text
    version = run(programs / "chrom2expr", "--version", cwd=tmp_path, env=environment)
    assert version == (0, f"chrom2expr {chrom2expr.__version__}\n")
    status, text = run(programs / "chrom2expr", "--help", cwd=tmp_path, env=environment)
    assert status == 0 and "check" in text


def test_requirements_hold_what_the_package_needs():
    pyproject = (ROOT / "pyproject.toml").read_text()
    [listed] = re.findall(r"^dependencies = \[\n(.*?)^\]", pyproject, re.MULTILINE | re.DOTALL)
    needed = re.findall(r'^ +"([\w-]+)', listed, re.MULTILINE)
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "requirements.txt").read_text().splitlines()}
    assert len(needed) > 15 and not {name.lower() for name in needed} - pinned
    options = ["--dry-run", "--quiet", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    assert run(sys.executable, "-m", "pip", "install", *options, ROOT)[0] == 0, (
        "requirements.txt does not meet pyproject"
    )


def test_the_workflow_refuses_another_version_that_is_installed(tmp_path):
    metadata = tmp_path / "chrom2expr-99.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.4\nName: chrom2expr\nVersion: 99\n")
    done = snakemake("-n", "--quiet", "all", PYTHONPATH=str(tmp_path))
    text = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in text
    assert (
        f"chrom2expr 99 is installed, but this workflow is {chrom2expr.__version__}: install the workflow's own" in text
    )


# --- the command -------------------------------------------------------------------------------------------------


def write(path, section):
    path.write_text(yaml.safe_dump(section))
    return path


def test_check_says_which_runs_and_jobs_a_config_means(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    run_ = {"source": "enformer_experimental", "inputs": "chromatin", "head": "multi_cnn", "loss": "mse"}
    figures = {"lab": {"kind": "scores", "groups": "source", "runs": [run_]}}
    roots = {name: f"{tmp_path}/{name}" for name in ("results", "resources", "logs", "benchmarks")}
    own = write(tmp_path / "own.yaml", {"pathvars": roots, "figures": figures})
    assert command_line.main(["check", "config/demo.yaml", str(own)]) == 0
    said = capsys.readouterr().out
    assert f"config/config.yaml < config/demo.yaml < {own}: nothing is wrong" in said
    assert "\nlab (scores)\n  enformer_experimental/chromatin/multi_cnn/mse\n" in said
    assert "14 figures of " in said
    counts = dict(re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE))
    planned = snakemake("-n", "--quiet", "rules", "--configfile", "config/demo.yaml", str(own))
    assert counts == dict(re.findall(r"^(\w+) +(\d+)$", planned.stdout + planned.stderr, re.MULTILINE))
    assert int(counts["total"]) > 180


def test_check_says_what_is_wrong_everywhere(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    base = ROOT / "config/config.yaml"
    own = write(tmp_path / "own.yaml", {"genes": {"contigz": "all"}})
    assert command_line.main(["check", str(base), str(own)]) == 1
    assert "genes.contigz: is unknown; known are " in capsys.readouterr().err
    # A folder of another workflow, with a config of its own.
    for folder in ("config", "workflow"):
        (tmp_path / folder).mkdir()
    write(tmp_path / "config/config.yaml", {"samples": "s.tsv"})
    for file in ("Snakefile", "workflow/Snakefile"):
        (tmp_path / file).touch()
    assert command_line.main(["check", str(base)]) == 0
    assert "In the workflow's folder" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: [1\n", r"own.yaml, line 2: is not YAML"),
        ("- 1\n", r"own.yaml: holds a list, but a config is sections with keys"),
        (b"label: gr\xfcn\n", r"own.yaml: is not UTF-8 text \(.* at byte 9\)"),
        (None, r"own.yaml: there is no such config"),
        ("seed: 3\n", r"the config has no pathvars, .*: it is to be laid over config/config.yaml"),
        ("", r"the config has no pathvars, .*: it is to be laid over config/config.yaml"),
    ],
)
def test_a_config_that_cannot_be_read_is_named(tmp_path, monkeypatch, capsys, text, message):
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "own.yaml"
    if text is not None:
        own.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert command_line.main(["check", str(own)]) == 1
    assert re.search(message, capsys.readouterr().err)


def test_an_unknown_command_is_answered_with_the_known_ones(capsys):
    with pytest.raises(SystemExit) as stop:
        command_line.main(["verify"])
    assert stop.value.code == 2 and "check" in capsys.readouterr().err
