# Two commands for a newcomer: `make demo` and `make test`. Needs Python 3.11 or newer and a C compiler, nothing else.
PYTHON ?= python3
CORES ?= 2
BIN := .venv/bin
INSTALLED := .venv/installed
FIGURES := results/demo/figures

# Jobs of the demo are small: one thread each, side by side, on a CPU or sharing a GPU.
export OMP_NUM_THREADS ?= 1

.PHONY: demo install test test-slow docs format clean-demo

demo: $(INSTALLED)
	$(BIN)/snakemake --cores $(CORES) --resources gpu=$(CORES) --configfile config/demo.yaml
	@echo "Figures of the demo:" && ls $(FIGURES)/*.pdf $(FIGURES)/*.png

install: $(INSTALLED)

test: $(INSTALLED)
	$(BIN)/python -m pytest

test-slow: $(INSTALLED)
	$(BIN)/python -m pytest -m slow

# config/README.md, of the schemas.
docs: $(INSTALLED)
	PYTHONPATH=workflow/scripts $(BIN)/python -m chrom2expr.config.reference

format: $(INSTALLED)
	$(BIN)/snakefmt Snakefile workflow/Snakefile workflow/rules

clean-demo:
	rm -rf results/demo resources/demo

$(INSTALLED): requirements.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'chrom2expr needs Python 3.11 or newer')"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.txt
	touch $@
