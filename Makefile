# make help lists the targets. Each one installs what it needs on first use, into .venv/.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help lab demo runs evidence gpu-check notebooks site teach workshop test \
	test-latest lint format python clean

# The first of these that runs, is of a supported version and can make a virtual environment.
# Each is tried, not only looked up: a name may exist and still not start.
CANDIDATES = python3.11 python3.12 python3.13 python3 python
SUITABLE = import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(shell for name in $(CANDIDATES); do \
	$$name -c '$(SUITABLE)' 2>/dev/null && { command -v $$name; break; }; done)

VENV_PYTHON = .venv/bin/python
# Compiling every file of every package takes as long as all else; Python compiles what it imports,
# and has to keep that: otherwise every start of it takes twice as long.
unexport PYTHONDONTWRITEBYTECODE
PIP_INSTALL = $(VENV_PYTHON) -m pip install --disable-pip-version-check --no-compile

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 17
	@echo
	@echo 'Options go into ARGS:    make test ARGS="-k tasks -x"   make lab ARGS="--no-browser"'
	@echo 'The quick tests:         make test ARGS="-m quick"'
	@echo 'Another Python:          make lab PYTHON=/path/to/python3.12'
	@echo 'Linux without a GPU:     make lab PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu'
	@echo '                         leaves out the CUDA libraries, some 2 GB.'

# In a container one is root as a rule, which Jupyter refuses unless told.
lab: .venv/installed  ## open the notebooks in JupyterLab, on this machine only
	$(VENV_PYTHON) -m jupyterlab --ip=127.0.0.1 --ServerApp.root_dir=notebooks \
		--LabApp.default_url=/lab/tree/00_start_here.ipynb \
		$(if $(filter 0,$(shell id -u)),--allow-root) $(ARGS)

notebooks: .venv/installed-test  ## run the notebooks and store their outputs (NAMES="02 03" for some)
	$(VENV_PYTHON) tests/notebooks/refresh.py $(NAMES)

# From nothing each time, so that no page of a notebook stays that has another name by now.
site: .venv/installed-site  ## make the course as pages to look at, in build/site/
	rm -rf build/site
	$(VENV_PYTHON) -m sphinx -q -W --keep-going -c teach/site -d build/doctrees . build/site $(ARGS)
	@echo "Open build/site/index.html"

teach: .venv/installed-teach  ## make slides, a quiz and solutions for a room, in build/teach/
	$(VENV_PYTHON) -m teach.kit $(ARGS)

workshop: .venv/installed-workshop  ## fill build/workshop/, a folder for a room without network
	$(VENV_PYTHON) teach/workshop/collect.py $(ARGS)

# The tests and the demo use only what is in the clone. Offline, a slip fails at once.
demo test runs evidence gpu-check teach: export HF_HUB_OFFLINE = 1

demo: .venv/installed  ## train the tiny Qwen with GRPO and with PPO, and compare them
	$(VENV_PYTHON) -m grpo_mini demo $(ARGS)

# A run that is there is not made again; delete the file to remake them all.
runs: .venv/installed  ## record the learning runs in data/runs/learning.jsonl (20 minutes)
	$(VENV_PYTHON) -m grpo_mini experiment learning --out data/runs --resume

# Into a folder of its own, so that it can be compared with what is recorded. Goes on if killed.
EVIDENCE = runs/evidence
evidence: .venv/installed  ## make every experiment again and compare with the record (five to six hours)
	$(VENV_PYTHON) -m grpo_mini cost --ledger $(EVIDENCE)/cost.jsonl
	$(VENV_PYTHON) -m grpo_mini gradients --out $(EVIDENCE)/gradients.jsonl
	$(VENV_PYTHON) -m grpo_mini experiment all --out $(EVIDENCE) --resume $(ARGS)
	$(VENV_PYTHON) -m grpo_mini experiment --compare --out $(EVIDENCE)

# TRL's step stands beside ours where TRL is installed, as it is for the tests.
gpu-check: .venv/installed-test  ## measure everything that is different on a CUDA GPU (5 minutes)
	$(VENV_PYTHON) -m grpo_mini gpu-check $(ARGS)

# Side by side, a file a worker: so does a notebook, whose cells share a kernel. In the order of their
# names, because the files with the most tests are not the longest. With ARGS, one after the other.
# A training that a notebook shows live is rehearsed; make test LIVE_STEPS= takes its whole length.
LIVE_STEPS = 4
test: export GRPO_MINI_LIVE_STEPS = $(LIVE_STEPS)
test: .venv/installed-test  ## run all tests
	$(VENV_PYTHON) -m pytest $(or $(ARGS),-n auto --dist loadfile --no-loadscope-reorder)

# Of everything, also of what the pinned libraries bring along. For a check once a week, on a new machine.
test-latest: .venv/installed-test  ## install the newest versions that the pins allow, and run all tests
	$(PIP_INSTALL) --upgrade --upgrade-strategy eager -e '.[test,site,teach]'
	$(MAKE) --no-print-directory test LIVE_STEPS=

lint: .venv/installed-test  ## check style and formatting
	$(VENV_PYTHON) -m ruff check
	$(VENV_PYTHON) -m ruff format --check

format: .venv/installed-test  ## format the code and sort its imports
	$(VENV_PYTHON) -m ruff check --select I --fix
	$(VENV_PYTHON) -m ruff format

python:  ## show which Python a new .venv would use
	@"$(PYTHON)" -c '$(SUITABLE)' 2>/dev/null || { \
		echo "This project needs Python 3.11, 3.12 or 3.13 with its venv module."; \
		echo "Not suitable: $(or $(PYTHON),$(CANDIDATES))"; \
		echo "Install one (on Debian or Ubuntu: apt install python3 python3-venv)," \
			"or name one: add PYTHON=/path/to/python3.12 to the make command"; \
		exit 1; } >&2
	@echo "$(PYTHON)"

clean:  ## remove .venv and every cache
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
	find . -name .ipynb_checkpoints -prune -exec rm -rf {} +

# ---------------------------------------------------------------------------- installation
# A stamp file says what is installed. It is made again only when pyproject.toml changes.

$(VENV_PYTHON):
	@$(MAKE) --no-print-directory python
	"$(PYTHON)" -m venv --clear .venv

.venv/installed: pyproject.toml | $(VENV_PYTHON)
	$(PIP_INSTALL) -e .
	@touch $@

.venv/installed-site: .venv/installed
	$(PIP_INSTALL) -e '.[site]'
	@touch $@

.venv/installed-teach: .venv/installed
	$(PIP_INSTALL) -e '.[teach]'
	@touch $@

.venv/installed-workshop: .venv/installed
	$(PIP_INSTALL) -e '.[workshop]'
	@touch $@

.venv/installed-test: .venv/installed
	$(PIP_INSTALL) -e '.[test]'
	@touch $@
