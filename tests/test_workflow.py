"""The rules as a whole: they plan, they are clean, and each has what a cluster and a reader need."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from chrom2expr.config import dependencies
from dry_runs import snakemake
from planned_jobs import copied

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "workflow/scripts"
LIBRARY = SCRIPTS / "chrom2expr"
RULE_FILES = sorted((ROOT / "workflow/rules").glob("*.smk"))


def rules():
    """(name, text) of every rule in the rule files."""
    for file in RULE_FILES:
        parts = re.split(r"^ *rule ?(\w*):\n", file.read_text(), flags=re.M)
        yield from zip(parts[1::2], parts[2::2])


def asking_for_a_gpu():
    """The rules that ask for a GPU, by themselves or as the rule that they use."""
    asking = {name for name, text in rules() if name and re.search(r"^ +gpu=", text, re.M)}
    using = [re.findall(r"^ *use rule (\w+) as (\w+)", file.read_text(), re.M) for file in RULE_FILES]
    return asking | {name for pairs in using for base, name in pairs if base in asking}


def test_every_rule_says_what_a_reader_and_a_cluster_need():
    found = dict(rules())
    assert len(found) >= 13
    for name, text in found.items():
        assert re.match(r'\s*(name:\s+f?".*"\s+)?""".+"""|\s*name:', text), f"{name} has no docstring"
        for directive in ("log:", "benchmark:", "threads:", "resources:", "mem_mb=", "runtime=", "conda:", "script:"):
            assert directive in text, f"{name} has no {directive}"


# The packages of the library in the order in which data flows; each imports its own modules and those above it only.
LAYERS = (
    *("files", "genome", "tracks", "backbones", "losses", "evaluation", "heads", "application"),
    *("figures", "simulation", "config", "planning", "reporting", "running"),
)


def layer(path):
    """The place of a module of the library: 0 for those beside the packages, but for the command, which is above all."""
    first, *rest = path.relative_to(LIBRARY).parts
    if first == "command_line.py":
        return len(LAYERS) + 1
    return LAYERS.index(first) + 1 if rest else 0


def test_packages_import_only_those_above_them():
    found = {path.parent.name for path in LIBRARY.glob("*/__init__.py")}
    assert found == set(LAYERS)
    # The package itself offers what a user starts from, and brings it when asked.
    for file in {*LIBRARY.rglob("*.py")} - {LIBRARY / "__init__.py"}:
        for used in dependencies.imports(file, LIBRARY):
            assert layer(used) <= layer(file), f"{file.relative_to(LIBRARY)} imports {used.relative_to(LIBRARY)}"


def test_modules_do_not_import_each_other_in_a_circle():
    imports = {
        file: dependencies.imports(file, LIBRARY) for file in LIBRARY.rglob("*.py") if file.name != "__init__.py"
    }
    while imports:
        bottom = {name for name, uses in imports.items() if not uses & set(imports)}
        assert bottom, f"these modules import each other in a circle: {sorted(map(str, imports))}"
        imports = {name: uses for name, uses in imports.items() if name not in bottom}


ABOUT_THE_CONFIG = ("command_line.py", "describe_run.py")


def test_the_config_is_for_the_workflow_alone():
    for file in [*LIBRARY.rglob("*.py"), *SCRIPTS.glob("*.py")]:
        # What a run takes, and what its report says of it, is asked of the whole config, and decides no result.
        if file.parent.name not in ("config", "planning", "reporting", "running") and file.name not in ABOUT_THE_CONFIG:
            assert not re.search(r"chrom2expr(\.| import )config", file.read_text()), file


def planned_jobs(output):
    table = output.split("Job stats:")[1].split("total")
    return int(table[1].split()[0]), table[0]


@pytest.mark.parametrize("profile", [None, "profiles/slurm"])
@pytest.mark.parametrize("overlay", [None, "config/demo.yaml"])
def test_figures_plan_dry_with_nothing_downloaded(profile, overlay, tmp_path):
    arguments = ["--profile", profile] if profile else ["--cores", "2"]
    figures = "results/figures" if overlay is None else "results/demo/figures"
    arguments += ["--configfile", overlay] if overlay else []
    if overlay:
        arguments.append("--forceall")
    targets = (f"{figures}/fig3_1.pdf", f"{figures}/fig3_2.pdf")
    result = snakemake(*targets, "-n", *arguments, "--quiet", "rules")
    assert result.returncode == 0, result.stderr + result.stdout
    jobs, table = planned_jobs(result.stdout + result.stderr)
    assert jobs <= 300
    assert "fit_head" in table and "24" in table
    assert ("simulate_genome" in table) == bool(overlay)


ENVIRONMENTS = """
import json, sys
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.iocontainers import Wildcards
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings
from snakemake.settings.types import StorageSettings, WorkflowSettings

with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
    workflow = api.workflow(
        resource_settings=ResourceSettings(cores=1),
        config_settings=ConfigSettings(configfiles=[Path("config/demo.yaml"), Path(sys.argv[1])]),
        storage_settings=StorageSettings(),
        workflow_settings=WorkflowSettings(),
        snakefile=Path("Snakefile"),
    )
    found = {}
    for rule in workflow._workflow.rules:
        for source in ("enformer_50kb", "beluga_predicted"):
            if rule.script:
                wildcards = Wildcards(fromdict={"source": source})
                found[f"{rule.name} {source}"] = str(rule.expand_conda_env(wildcards).file.get_path_or_uri(secret_free=True))
print("FOUND", json.dumps(found))
"""


def test_a_backbone_may_bring_an_environment_of_its_own(tmp_path):
    (tmp_path / "own.yaml").write_text("channels: [conda-forge]\ndependencies: [python]\n")
    overlay = {"backbones": {"beluga": {"conda": str(tmp_path / "own.yaml")}}}
    (tmp_path / "overlay.yaml").write_text(json.dumps(overlay))
    command = [sys.executable, "-c", ENVIRONMENTS, str(tmp_path / "overlay.yaml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.split("FOUND ")[1])
    own = {rule for rule, file in found.items() if file == str(tmp_path / "own.yaml")}
    loading = ("predict_tracks", "embed_sequences", "attend_base", "attend_run", "finetune_backbone", "score_variants")
    trained = {f"train_simulated_beluga {source}" for source in ("enformer_50kb", "beluga_predicted")}
    assert own == {f"{rule} beluga_predicted" for rule in loading} | trained
    for rule in loading:
        assert Path(found[f"{rule} enformer_50kb"]).resolve() == ROOT / "workflow/envs/model.yaml"


def test_bigwigs_of_ones_own_take_a_track_table_and_an_entry(tmp_path):
    table = tmp_path / "tracks.txt"
    table.write_text("identifier\tclip\tscale\tsum_stat\tdescription\nmine\t32\t1\tmean\tATAC:mine\n")
    lab = {"kind": "measured", "backbone": "enformer", "split": "chr14", "tracks": "lab_tracks"}
    lab |= {"groups": 1, "missing_bigwigs": "error", "bigwigs": {"": f"{tmp_path}/{{identifier}}.bw"}}
    (tmp_path / "mine.bw").touch()
    overlay = tmp_path / "lab.yaml"
    overlay.write_text(json.dumps({"resources": {"lab_tracks": {"path": str(table)}}, "sources": {"lab": lab}}))
    run = "results/models/lab/chromatin/multi_cnn/mse/model.pt"
    result = snakemake(run, "-n", "--cores", "2", "--configfile", str(overlay))
    assert result.returncode == 0, result.stderr + result.stdout
    [collected] = re.findall(r"rule collect_bigwigs:\n    input: (.*)\n", result.stdout + result.stderr)
    assert collected == str(table)


def test_the_catalogue_needs_the_track_tables_alone(tmp_path):
    """And bigWigs are collected with overrides only where a source names them."""
    (tmp_path / "own.tsv").write_text("identifier\tbigwig\nE001-H3K4me1\tmine.bw\n")
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(json.dumps({"sources": {"beluga_experimental": {"overrides": str(tmp_path / "own.tsv")}}}))
    groups = [f"resources/bigwigs/{kind}_experimental/000.tsv" for kind in ("enformer", "beluga")]
    for own in ([], ["--configfile", str(overlay)]):
        result = snakemake("results/tables/catalogue.tsv", *groups, "-n", "--cores", "2", *own)
        said = result.stdout + result.stderr
        assert result.returncode == 0, said
        read = re.findall(r"rule (collect_bigwigs|tabulate_catalogue):\n    input: (.*)\n", said)
        assert sorted((rule, str(tmp_path / "own.tsv") in files) for rule, files in read) == [
            ("collect_bigwigs", False),
            ("collect_bigwigs", bool(own)),
            ("tabulate_catalogue", bool(own)),
        ]
        assert planned_jobs(said)[0] == 5


def test_basenjis_preprocessed_data_take_a_path_and_an_overlay(tmp_path):
    (tmp_path / "human").mkdir()
    # As docs/inputs.md has it.
    overlay = {
        "resources": {"basenji_tracks": {"path": str(tmp_path / "human")}},
        "sources": {"enformer_experimental": {"from": "tfrecords", "records": "basenji_tracks", "bigwigs": None}},
    }
    (tmp_path / "records.yaml").write_text(json.dumps(overlay))
    result = snakemake(
        "results/features/enformer_experimental.h5",
        "-n",
        "--cores",
        "2",
        "--configfile",
        str(tmp_path / "records.yaml"),
    )
    said = result.stdout + result.stderr
    assert result.returncode == 0, said
    assert said.count("rule unpack_records:") == 40 and said.count("rule bin_records:") == 32
    assert "bigwigs" not in said
    [given] = re.findall(r"input: (.*)\n    output: resources/records/enformer_experimental/007.h5", said)
    assert given.split(", ")[-1] == str(tmp_path / "human")


MODULE = f"""
configfile: {str(ROOT / "config/config.yaml")!r}

module chrom2expr:
    snakefile: {str(ROOT / "workflow/Snakefile")!r}
    config: config
"""


@pytest.mark.parametrize("prefix", ["", "lab/"])
def test_another_workflow_can_use_it_as_a_module(tmp_path, prefix):
    """From a folder that holds nothing of it; a prefix is that of all it makes, and of no file of the user's."""
    own = {"genome_grch38": {"path": "data/hg38.fa"}, "liftover_chain": {"path": f"{tmp_path}/hg19ToHg38.chain"}}
    for path in (tmp_path / "data/hg38.fa", tmp_path / "hg19ToHg38.chain"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "own.yaml").write_text(json.dumps({"resources": own}))
    text = MODULE + (f"    prefix: {prefix!r}\n" if prefix else "") + "\nuse rule * from chrom2expr as chrom2expr_*\n"
    (tmp_path / "Snakefile").write_text(text)
    figure = f"{prefix}results/figures/fig3_1.pdf"
    result = snakemake(figure, "-n", "--cores", "1", "--configfile", "own.yaml", cwd=tmp_path)
    said = result.stdout + result.stderr
    assert result.returncode == 0, said
    jobs = re.findall(
        r"^(?:local)?rule chrom2expr_(\w+):\n(?:    input: (.*)\n)?    output: (.*)\n", said, re.MULTILINE
    )
    assert {"download", "fit_head", "draw_figure"} <= {rule for rule, _, _ in jobs}
    given = {path for _, found, _ in jobs for path in found.split(", ") if path}
    made = {path for _, _, found in jobs for path in found.removesuffix(" (update)").split(", ")}
    assert all(path.startswith((f"{prefix}results/", f"{prefix}resources/")) for path in made), made
    thesis = os.path.relpath(ROOT / "config/thesis_values.tsv", tmp_path)
    assert given - made == {"data/hg38.fa", f"{tmp_path}/hg19ToHg38.chain", thesis}


def test_a_module_from_an_address_is_told_what_to_do(tmp_path):
    repository = tmp_path / "repository"
    copied(repository)
    git = ["git", "-C", str(repository), "-c", "user.name=A", "-c", "user.email=a@example.org"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "All"]):
        subprocess.run([*git, *command], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    address = f'gitfile("{repository}", path="workflow/Snakefile", commit="{commit}")'
    text = MODULE.replace(repr(str(ROOT / "workflow/Snakefile")), address)
    (tmp_path / "Snakefile").write_text(text + "\nuse rule * from chrom2expr\n")
    result = snakemake("-n", "--cores", "1", cwd=tmp_path)
    assert result.returncode != 0
    assert "Clone chrom2expr, and name the clone's workflow/Snakefile" in result.stdout + result.stderr


def test_it_runs_from_another_folder(tmp_path):
    """With -s, and with --directory; the config is looked for where the work is done."""
    elsewhere = ["-s", str(ROOT / "Snakefile")]
    asked = ["results/figures/fig3_1.pdf", "-n", "--cores", "1", "--quiet", "rules"]
    for options, cwd in ((elsewhere, tmp_path), (["--directory", str(tmp_path)], ROOT)):
        missing = snakemake(*asked, *options, cwd=cwd)
        assert missing.returncode != 0
        assert re.search(r"config/config\.yaml but it is not present", missing.stdout + missing.stderr)
    (tmp_path / "own.yaml").write_text("seed: 3\n")
    alone = snakemake(*asked, *elsewhere, "--configfile", "own.yaml", cwd=tmp_path)
    said = alone.stdout + alone.stderr
    assert alone.returncode != 0 and "is needed" not in said
    assert f"looked for in the working directory, {tmp_path}. Work in the folder that holds it" in said
    both = ["--configfile", str(ROOT / "config/config.yaml"), str(tmp_path / "own.yaml")]
    plans = [
        snakemake(*asked, *options, *both, cwd=cwd)
        for options, cwd in ((elsewhere, tmp_path), (["--directory", str(tmp_path)], ROOT))
    ]
    for plan in plans:
        assert plan.returncode == 0, plan.stdout + plan.stderr
        assert planned_jobs(plan.stdout + plan.stderr) == planned_jobs(plans[0].stdout + plans[0].stderr)
    assert not [path for path in tmp_path.iterdir() if path.name not in ("own.yaml", ".snakemake")]


def test_lint_and_format_are_clean():
    lint = snakemake("--lint")
    assert lint.returncode == 0, lint.stderr + lint.stdout
    demo = snakemake("--lint", "--configfile", "config/demo.yaml")
    assert demo.returncode == 0, demo.stderr + demo.stdout
    # As `make lint` runs them, in this environment.
    [commands] = re.findall(r"^lint: .*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    rules = " ".join(["Snakefile", "workflow/Snakefile", "workflow/rules"])
    for line in commands.splitlines():
        name, *options = line.split("/", 1)[1].replace("$(RULES)", rules).split()
        module = {"codespell": "codespell_lib"}.get(name, name)
        shaped = subprocess.run([sys.executable, "-m", module, *options], cwd=ROOT, capture_output=True, text=True)
        assert shaped.returncode == 0, shaped.stdout + shaped.stderr


def test_braces_given_on_the_command_line_are_no_wildcards():
    """Snakemake is asked again for the jobs of a run with what it was called with."""
    given = 'figures={"fig3_1": {"x_label": "at {series}"}}'
    pages = ("results/demo/plan.html", "results/demo/report/fig3_1/provenance.html")
    done = snakemake("-n", *pages, "--configfile", "config/demo.yaml", "--config", given)
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_bad_config_stops_before_any_job(tmp_path):
    overlay = tmp_path / "bad.yaml"
    overlay.write_text(json.dumps({"genes": {"contigz": "all"}}))
    result = snakemake("-n", "--configfile", str(overlay))
    assert result.returncode != 0
    assert "contigz" in result.stderr + result.stdout
    assert "Traceback" not in result.stderr


def test_demo_and_thesis_share_no_root():
    thesis, demo = (
        yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())["pathvars"] for name in ("config", "demo")
    )
    assert set(thesis) == set(demo)
    assert not set(thesis.values()) & set(demo.values())


def test_the_slurm_profile_can_neither_hang_nor_try_bad_input_again():
    """Array jobs and the ILP solver hang Snakemake; retries ask that a job can see which try it is."""
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    assert "slurm-array-jobs" not in profile and profile["scheduler"] == "greedy"
    assert profile["retries"] >= 1 and profile["default-resources"]["attempt"] == "attempt"


def test_docs_name_every_rule_that_asks_for_a_gpu():
    simulated = {"train_simulated_enformer", "train_simulated_beluga"}
    asking = asking_for_a_gpu() | simulated
    assert "fit_tissues" in asking
    docs, profile = ((ROOT / name).read_text() for name in ("docs/slurm.md", "profiles/slurm/config.yaml"))
    assert set(re.findall(r"(\w+):gpu=0", docs)) == asking
    assert set(re.findall(r"# +(\w+): {gpu: 0}", profile)) == asking - simulated
