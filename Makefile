# Two commands for a newcomer: `make demo` and `make test`. Needs Python 3.11 or newer and a C compiler, nothing else.
PYTHON ?= python3
CORES ?= 2
BIN := .venv/bin
INSTALLED := .venv/installed
FIGURES := results/demo/figures
CONFIG ?= config/demo.yaml
REPORT ?= results/$(basename $(notdir $(CONFIG)))_report.html
# Only the demo's networks are so small that several share a GPU.
SHARED_GPU := $(if $(filter config/demo.yaml,$(CONFIG)),--resources gpu=$(CORES))
RULES := Snakefile workflow/Snakefile workflow/rules

# Jobs of the demo are small: one thread each, side by side, on a CPU or sharing a GPU.
export OMP_NUM_THREADS ?= 1

.PHONY: demo install test test-slow lint format docs site pins test-executors test-slurm report test-faults clean-demo

demo: $(INSTALLED)
	$(BIN)/snakemake --cores $(CORES) --resources gpu=$(CORES) --configfile config/demo.yaml
	@echo "Figures of the demo:" && ls $(FIGURES)/*.pdf $(FIGURES)/*.png

# All figures of CONFIG, and one HTML file of them with the tables, the methods and the provenance.
report: $(INSTALLED)
	$(BIN)/snakemake report_pages --cores $(CORES) $(SHARED_GPU) --configfile $(CONFIG)
	$(BIN)/snakemake report_pages --report $(REPORT) --configfile $(CONFIG)
	@echo "Report: $(REPORT)"

install: $(INSTALLED)

# Files of tests side by side, as many as CORES.
test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses $(CORES) --dist loadfile

test-slow: $(INSTALLED)
	$(BIN)/python -m pytest -m slow --durations 12 --numprocesses $(CORES) --dist loadfile

# As root, on Debian or Ubuntu: a SLURM of this machine (docs/slurm.md); elsewhere it says why not.
test-slurm: $(INSTALLED)
	$(BIN)/python tests/slurm/check.py

# docs/faults.md; FAULTS_SEED and FAULTS_ROUNDS choose other random moments, and more of them.
test-faults: $(INSTALLED)
	$(BIN)/python -m pytest -m faults -o tmp_path_retention_policy=failed --numprocesses $(CORES) --dist loadfile --durations 12

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/snakefmt --check $(RULES)
	$(BIN)/codespell

format: $(INSTALLED)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/snakefmt $(RULES)

# config/README.md, of the schemas.
docs: $(INSTALLED)
	$(BIN)/python -m chrom2expr.config.reference

# The documentation as pages, from site/index.html on; a link that leads nowhere is an error.
site: $(INSTALLED)
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --conf-dir docs . site
	@echo "The documentation: site/index.html"

# workflow/envs/*.yaml, with all that their packages need.
pins: $(INSTALLED)
	$(BIN)/python workflow/envs/pin.py

# Dry runs of the profiles of other executors than SLURM, with their plugins.
test-executors: $(INSTALLED)
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements-executors.txt --constraint requirements.txt
	$(BIN)/python -m pytest tests/test_executors.py -m slow

clean-demo:
	rm -rf results/demo resources/demo

# The packages as the tests run with them, and chrom2expr itself as it lies here, with its command.
$(INSTALLED): requirements.txt requirements-cuda.txt pyproject.toml workflow/scripts/chrom2expr/__init__.py
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'chrom2expr needs Python 3.11 or newer')"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --requirement requirements.txt --constraint requirements-cuda.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@# Some packages hold files of other Pythons; and most hold files that nobody loads.
	-@$(BIN)/python -m compileall -qq -j 0 -x '/tests?/|/transformers/models/' .venv/lib/python*/site-packages > /dev/null
	touch $@
