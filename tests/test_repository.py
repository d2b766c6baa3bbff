"""The files of the repository around the code agree with it, and with one another."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from snakemake.cli import get_argument_parser

import chrom2expr
from chrom2expr import command_line

ROOT = Path(__file__).resolve().parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
PRE_COMMIT = ROOT / ".pre-commit-config.yaml"
# Files that tell someone, or a machine, what to run.
COMMANDS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs/thesis_run.md", PRE_COMMIT, *WORKFLOWS]


def test_the_version_is_the_same_everywhere():
    version = chrom2expr.__version__
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    assert re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0] == version


def test_every_target_of_make_that_is_named_is_there():
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    texts = "".join(file.read_text() for file in [*PAGES, *WORKFLOWS, PRE_COMMIT, ROOT / ".ci/run"])
    named = set(re.findall(r"(?:`|^|run: )make ([a-z-]+)", texts, re.MULTILINE))
    assert {"demo", "install", "test", "test-slow", "lint", "docs", "site"} <= named <= targets
    [phony] = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert set(phony.split()) == targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_lead_somewhere(page):
    for target, _, heading in re.findall(r"\]\((?!https?:)([^)#]*)(#([^)]*))?\)", page.read_text()):
        file = page.parent / target if target else page
        assert file.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, heading


@pytest.mark.parametrize("file", COMMANDS, ids=lambda file: file.name)
def test_paths_that_are_named_are_there(file):
    folders = r"workflow|tests|docs|config|profiles|benchmarks|\.github|\.ci"
    for path in re.findall(rf"(?<![\w/.-])((?:{folders})/[\w./-]*)", file.read_text()):
        assert (ROOT / path.rstrip(".")).exists(), path


def test_yaml_files_parse():
    files = [*ROOT.glob("*.y*ml"), *ROOT.glob(".*.y*ml"), ROOT / "CITATION.cff", *WORKFLOWS]
    files += [file for folder in ("config", "profiles", "workflow/envs") for file in (ROOT / folder).rglob("*.yaml")]
    assert len(files) > 8
    for file in files:
        assert isinstance(yaml.safe_load(file.read_text()), dict), file


def test_pre_commit_runs_what_make_lint_runs():
    config = yaml.safe_load(PRE_COMMIT.read_text())
    [repository] = config["repos"]
    assert repository["repo"] == "local"
    programs = {hook["entry"].split()[0].removeprefix(".venv/bin/") for hook in repository["hooks"]}
    [lint] = re.findall(r"^lint: .*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    pinned = {line.partition("==")[0] for line in (ROOT / "requirements.txt").read_text().splitlines()}
    linters = set(re.findall(r"\$\(BIN\)/(\w+)", lint))
    assert linters <= programs and linters <= pinned


def test_workflows_end_and_may_only_read_but_for_a_job_that_says_so():
    assert WORKFLOWS
    for file in WORKFLOWS:
        workflow = yaml.safe_load(file.read_text())
        assert workflow["permissions"] == {"contents": "read"}, file
        assert all("timeout-minutes" in job for job in workflow["jobs"].values()), file


def test_actions_are_pinned_by_hash():
    for file in WORKFLOWS:
        actions = re.findall(r"uses: (.*)", file.read_text())
        assert actions
        for action in actions:
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), f"{file.name}: {action}"


def test_the_catalog_is_told_how_to_run_it():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["software-stack-deployment"]["conda"]
    assert (ROOT / "workflow/Snakefile").is_file() and (ROOT / "config/README.md").is_file()


def test_nothing_names_a_package_registry_or_this_machine():
    names = ("pypi." + "org", "pypi." + "python", "/ho" + "me/", "/wo" + "rk/")
    folders = ("workflow", "tests", "docs", "config", "profiles", "benchmarks", ".github", ".ci")
    files = [*ROOT.glob("*.*"), *(file for folder in folders for file in (ROOT / folder).rglob("*"))]
    texts = [
        file
        for file in files
        if file.is_file() and file.suffix in (".py", ".md", ".yaml", ".yml", ".smk", ".toml", ".txt")
    ]
    assert len(texts) > 150
    for file in texts:
        text = file.read_text()
        assert not any(name in text for name in names), file


def test_the_page_on_performance_names_every_benchmark():
    named = re.findall(r"`(?:benchmarks/)?(\w+\.py)\b", (ROOT / "docs/performance.md").read_text())
    assert {*named, "measured.py"} == {file.name for file in ROOT.glob("benchmarks/*.py")}


def test_the_page_on_the_thesis_run_names_rules_and_figures_that_are_there():
    text = (ROOT / "docs/thesis_run.md").read_text()
    flow, figures = (text.split(f"## The {part}\n")[1].split("\n## ")[0] for part in ("flow", "figures"))
    rules = "".join(file.read_text() for file in (ROOT / "workflow/rules").glob("*.smk"))
    named = [
        name for row in re.findall(r"^\|.*\| (`.*) \|$", flow, re.MULTILINE) for name in re.findall(r"`(\w+\*?)`", row)
    ]
    assert len(named) > 20
    for name in named:
        assert re.search(rf"\brule {name.replace('*', '[a-z]+')}:|\bas {name.replace('*', '[a-z]+')} with", rules), name
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    assert re.findall(r"`(fig\w+)`", figures) == list(config["figures"])


def commands(page):
    """The commands of Snakemake and chrom2expr in a page's blocks of code, each as words."""
    for block in re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            # A plugin that is not needed, and what is left out, mean nothing to the parser.
            if re.match(r"(snakemake|chrom2expr) ", line) and not re.search(r"\.\.\.|--logger", line):
                yield shlex.split(line, comments=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_mean_what_they_seem_to(page):
    """Some options of Snakemake take every word that follows, targets too."""
    for program, *words in commands(page):
        if program == "chrom2expr":
            command_line._parser().parse_args(words)
            continue
        asked, _ = get_argument_parser().parse_known_args(words)
        assert all(str(file).endswith(".yaml") for file in asked.configfile or []), words
        assert not [word for word in words if word.startswith("results/") and word not in asked.targets], words
