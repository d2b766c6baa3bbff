# Two commands for a newcomer: `make demo` and `make test`. Needs Python 3.11 or newer and a C compiler, nothing else.
PYTHON ?= python3
CORES ?= 2
BIN := .venv/bin
INSTALLED := .venv/installed
FIGURES := results/demo/figures
RULES := Snakefile workflow/Snakefile workflow/rules

# Jobs of the demo are small: one thread each, side by side, on a CPU or sharing a GPU.
export OMP_NUM_THREADS ?= 1

.PHONY: demo install test test-slow test-faults lint format docs clean-demo

demo: $(INSTALLED)
	$(BIN)/snakemake --cores $(CORES) --resources gpu=$(CORES) --configfile config/demo.yaml
	@echo "Figures of the demo:" && ls $(FIGURES)/*.pdf $(FIGURES)/*.png

install: $(INSTALLED)

test: $(INSTALLED)
	$(BIN)/python -m pytest

test-slow: $(INSTALLED)
	$(BIN)/python -m pytest -m slow

# docs/faults.md; FAULTS_SEED and FAULTS_ROUNDS choose other random moments, and more of them.
test-faults: $(INSTALLED)
	$(BIN)/python -m pytest -m faults -o tmp_path_retention_policy=failed

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

clean-demo:
	rm -rf results/demo resources/demo

# The packages as the tests run with them, and chrom2expr itself as it lies here, with its command.
$(INSTALLED): requirements.txt pyproject.toml workflow/scripts/chrom2expr/__init__.py
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'chrom2expr needs Python 3.11 or newer')"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@
