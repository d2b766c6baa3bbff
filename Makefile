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

.PHONY: demo report install test test-slow lint format docs clean-demo

demo: $(INSTALLED)
	$(BIN)/snakemake --cores $(CORES) --resources gpu=$(CORES) --configfile config/demo.yaml
	@echo "Figures of the demo:" && ls $(FIGURES)/*.pdf $(FIGURES)/*.png

# All figures of CONFIG, and one HTML file of them with the tables, the methods and the provenance.
report: $(INSTALLED)
	$(BIN)/snakemake report_pages --cores $(CORES) $(SHARED_GPU) --configfile $(CONFIG)
	$(BIN)/snakemake report_pages --report $(REPORT) --configfile $(CONFIG)
	@echo "Report: $(REPORT)"

install: $(INSTALLED)

test: $(INSTALLED)
	$(BIN)/python -m pytest

test-slow: $(INSTALLED)
	$(BIN)/python -m pytest -m slow

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
