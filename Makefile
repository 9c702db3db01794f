# nestproof: `make` says what there is. Every target installs what it lacks.

ENVIRONMENT := .venv
BIN := $(ENVIRONMENT)/bin
IMAGE := .cache/guest/debian-12.qcow2
DEMO := examples/nested-vm.yaml
PAGE := .cache/demo.html
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
STAMP := $(ENVIRONMENT)/.installed
# Debian's, with the oldest and the newest libvirt that its mirrors have; for `make libvirt-versions` any others too.
SUITES := bullseye testing

.DEFAULT_GOAL := help
.PHONY: demo-pictures help setup check test lab demo demo-clean image clean prove-bare packages-run packages-image packages-test libvirt-roots libvirt-versions

help: ## this list
	@echo 'nestproof proves that a VM can run VMs, by running one. On a bare Debian 12, start with: make demo'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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

test: setup image packages-test ## check, then every test, as many files at once as there are cores (at most 4)
	@$(MAKE) --no-print-directory -j2 check libvirt-roots
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile

libvirt-roots: packages-image ## build roots with the libvirt and QEMU of other suites (SUITES; cached; root)
	@$(SUDO) python3 deploy/libvirt_root.py $(SUITES)

libvirt-versions: setup packages-test libvirt-roots ## all of libvirt's contract on the libvirt of other suites (SUITES)
	$(BIN)/pytest -v tests/contract/test_contract_libvirt.py tests/contract/test_contract_libvirt_fields.py \
		$(SUITES:%=--libvirt-suite=%) -k "$$(echo $(SUITES) | sed 's/ / or /g')"

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
