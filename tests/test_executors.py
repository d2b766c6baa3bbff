"""The profiles of executors other than SLURM: each plans dry, without an account."""

from importlib.util import find_spec

import pytest
import yaml

from test_workflow import ROOT, asking_for_a_gpu, planned_jobs, snakemake

PROFILES = {
    folder.name: yaml.safe_load((folder / "config.yaml").read_text())
    for folder in sorted((ROOT / "profiles").iterdir())
    if folder.name not in ("default", "slurm")
}
# Their jobs see no file system of yours: all files lie in storage.
WITHOUT_FILES = {"googlebatch", "kubernetes"}


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_has_its_plugin_and_what_every_cluster_needs(name):
    profile, slurm = PROFILES[name], yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    assert f"snakemake-executor-plugin-{profile['executor']}==" in (ROOT / "requirements-executors.txt").read_text()
    for key in ("rerun-triggers", "scheduler", "retries"):
        assert profile[key] == slurm[key]
    assert profile["default-resources"]["attempt"] == "attempt"
    assert f"profiles/{name} " in (ROOT / "profiles" / name / "config.yaml").read_text()
    assert f"profiles/{name}`" in (ROOT / "docs/executors.md").read_text()


@pytest.mark.parametrize("name", ["htcondor", "lsf"])
def test_every_job_that_computes_on_a_gpu_is_given_one(name):
    assert set(PROFILES[name]["set-resources"]) == asking_for_a_gpu()


@pytest.mark.slow
@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_plans_dry(name, tmp_path):
    executor = PROFILES[name]["executor"].replace("-", "_")
    if not find_spec(f"snakemake_executor_plugin_{executor}") or not find_spec("snakemake_storage_plugin_fs"):
        pytest.skip("make test-executors installs the plugins")
    # In place of a bucket.
    storage = ["--default-storage-provider", "fs", "--default-storage-prefix", str(tmp_path)]
    storage = storage if name in WITHOUT_FILES else []
    target = "results/figures/fig3_2.pdf"
    planned = snakemake(target, "-n", "--profile", f"profiles/{name}", *storage, "--quiet", "rules")
    said = planned.stdout + planned.stderr
    assert planned.returncode == 0, said
    assert planned_jobs(said)[0] > 100
