"""What a script loads when it starts: seconds of every job, so that none loads a package that it does not use."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "workflow/scripts"
COMPUTING = {"attend_genes", "embed_sequences", "finetune_backbone", "fit_head", "join_tissues", "predict_tracks"}
COMPUTING |= {"score_variants", "train_simulated_backbone"}
# Packages that take long to load, and the scripts that load them by themselves; classes found by name may load more.
LOADED_BY = {
    "torch": COMPUTING,
    "enformer_pytorch": {"train_simulated_backbone"},
    "sklearn": set(),
    "matplotlib": {"draw_figure"},
    "snakemake": {"describe_run", "plan_run"},
    "scipy": {"compare_windows", "compute_targets", "simulate_genome", "split_genes", "train_simulated_backbone"},
    "pyarrow": {"annotate_variants", "join_variants", "score_variants"},
}


@cache
def at_start(file):
    """The modules that a file imports as it is loaded, not within functions nor for type checkers."""
    found, waiting = set(), [ast.parse(file.read_text())]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, ast.FunctionDef | ast.Lambda) or "TYPE_CHECKING" in ast.dump(
                getattr(node, "test", node)
            ):
                continue
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            waiting.append(node)
    return found


def loaded(script):
    """The packages that a script and the library's modules load as it starts."""
    found, waiting, packages = set(), [script], set()
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.add(file)
        for name in at_start(file):
            place = SCRIPTS.joinpath(*name.split("."))
            waiting += [path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()]
            packages.add(name.partition(".")[0])
    return packages


@pytest.mark.parametrize("package", LOADED_BY)
def test_a_script_loads_only_what_it_uses(package):
    scripts = sorted(SCRIPTS.glob("*.py"))
    assert {script.stem for script in scripts if package in loaded(script)} == LOADED_BY[package]
