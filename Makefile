# nestproof: `make` says what there is. Every target installs what it lacks.

ENVIRONMENT := .venv
BIN := $(ENVIRONMENT)/bin
IMAGE := .cache/guest/debian-12.qcow2
DEMO := examples/nested-vm.yaml
PAGE := .cache/demo.html
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
STAMP := $(ENVIRONMENT)/.installed

.DEFAULT_GOAL := help
.PHONY: demo-pictures help setup check test lab demo demo-clean image clean prove-bare packages-run packages-image packages-test

help: ## this list
	@echo 'nestproof proves that a VM can run VMs, by running one. On a bare Debian 12, start with: make demo'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: packages-run $(STAMP) ## install the Debian packages and the virtual environment (.venv)
	@echo 'ready: $(BIN)/nestproof check'

demo: setup image ## check this machine, provision a VM on it, hear its proof, write a page
	@$(BIN)/nestproof check || true
	@code=0; $(BIN)/nestproof apply $(DEMO) --wait --report html=$(PAGE) || code=$$?; \
	echo; echo "the page:     $(CURDIR)/$(PAGE)"; echo 'remove all:   make demo-clean'; exit $$code

demo-pictures: setup packages-test ## draw the pictures of the documentation anew (docs/images)
	@$(BIN)/pytest -q tests/browser/test_browser_pictures.py --pictures

demo-clean: ## destroy the demo's VM and its page
	$(BIN)/nestproof destroy $(DEMO)
	rm -f $(PAGE)

image: packages-image ## build the guest image from Debian's packages (cached; root)
	@$(SUDO) python3 deploy/guest_image.py --output $(IMAGE)

check: $(STAMP) ## format, lint, types, and imports that go one way
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: setup image packages-test check ## check, then every test
	$(BIN)/pytest

lab: setup packages-test ## boot the truth table's machines in software, run the remedies, write docs/truth-table.md
	@$(BIN)/python tests/lab/truth_main.py

clean: ## remove caches, the image and the environment
	rm -rf .cache .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info $(PAGE)

prove-bare: ## run GOAL (default: demo) of a fresh clone in a new minimal Debian 12 (root)
	@python3 deploy/bare_machine.py $(or $(GOAL),demo)

packages-run packages-image packages-test: packages-%:
	@python3 deploy/packages.py $*

$(STAMP): pyproject.toml | packages-run
	deploy/environment.sh $(ENVIRONMENT)
	@touch $@
