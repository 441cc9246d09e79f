# pyrunc: `make help` lists the targets.
#
# Variables: PYTHON=  the interpreter to build for (default: the one found that starts fastest)
#            VENV=    a virtual environment to use as it is, instead of making .venv
#            PREFIX= DESTDIR=  where to install (default: /usr/local)
#            CYCLES= PARALLEL=  how many containers `make soak` makes, and how many at a time (default: 5000, 20)
#            MINUTES= FUZZER=  how long `make fuzz` lets each fuzzer look, and which (default: 60, all)
#            RUNTIME= what `make conformance`, `make conformance-engines` and `make attacks` check
#            TESTS=   what `make test` and `make test-vm` run (files, folders, pytest options)
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

PREFIX ?= /usr/local
VENV ?= .venv
PY := $(abspath $(VENV))/bin/python
CC ?= gcc
CFLAGS_HELPER := -std=c11 -O2 -static -Wall -Wextra -Werror
PYTEST := $(PY) -m pytest
export CONFORMANCE_PYTHON := $(PY)

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

# --- building ---------------------------------------------------------------------------------------------------------

.PHONY: build
build: environment ## install what is missing and build the extension, the helper and build/pyrunc
	@$(MAKE) --no-print-directory artifacts

.PHONY: environment
ifeq ($(origin VENV),command line)
environment:
else
environment: $(VENV)/.complete
ifdef PYTHON
	@tools/same_python $(VENV) "$(PYTHON)"
endif
endif

$(VENV)/.complete: pyproject.toml tools/make_venv.py tools/requirements
	@if [ -x $(PY) ]; then python=$$($(PY) -c 'import sys; print(sys._base_executable)'); else \
	    tools/requirements python; python=$$(python3 tools/choose_python.py "$(PYTHON)"); fi; \
	tools/requirements build "$$python"; \
	"$$python" tools/make_venv.py $(VENV)
	@touch $@

# The extension's name says which interpreter it was built for; asked only once there is one to ask.
.PHONY: artifacts
ifneq ($(filter artifacts,$(MAKECMDGOALS)),)
EXTENSION := pyrunc/_shim$(shell $(PY) -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
artifacts: $(EXTENSION) pyrunc/pyrunc-init pyrunc/spec/_check.py build/pyrunc
	@$(PY) -m compileall -q pyrunc

# Everything is made beside its place and renamed into it: a command that runs meanwhile sees the old or the new.
$(EXTENSION): csrc/build_shim.py $(wildcard csrc/shim*.c csrc/*.h) csrc/spawn.c
	@echo "building $@"
	@mkdir -p build
	@folder=$$(mktemp -d build/shim.XXXXXX); trap 'rm -rf "$$folder"' EXIT; \
	$(PY) csrc/build_shim.py "$$folder"; \
	mv -f "$$folder/$@" $@
endif

pyrunc/pyrunc-init: $(wildcard csrc/init*.c csrc/*.h) csrc/message.c
	@echo "building $@"
	@$(CC) $(CFLAGS_HELPER) -s -o $@.new $(filter %.c,$^)
	@mv -f $@.new $@

pyrunc/spec/_check.py: tools/generate_check.py $(wildcard oci-specs/*.json)
	@echo "building $@"
	@$(PY) tools/generate_check.py $@

build/pyrunc: FORCE
	@$(PY) tools/make_launcher.py $@
FORCE:

# --- using ------------------------------------------------------------------------------------------------------------

.PHONY: run
run: build ## run a container from the embedded default bundle
	@$(PY) -m pyrunc.demo build/pyrunc

.PHONY: install
install: build ## install the command into PREFIX=/usr/local (DESTDIR= for packagers)
	@$(PY) tools/install.py "$(PREFIX)" "$(DESTDIR)"

.PHONY: uninstall
uninstall: ## remove what install put into PREFIX=
	@python3 tools/uninstall.py "$(PREFIX)" "$(DESTDIR)"

# --- testing ----------------------------------------------------------------------------------------------------------

.PHONY: test
test: build ## run all tests, linters, the specification suite and engines included; checks that nothing is left
	@tools/requirements test
	@$(PYTEST) --leaks=all $(or $(TESTS),-n 2 --dist loadfile)
ifndef TESTS
	@conformance/spec --runtime build/pyrunc
	@tools/requirements engines || echo "make test: engines that are not installed are left out" >&2
	@conformance/engines --runtime build/pyrunc --core --parallel --within 180
endif

.PHONY: conformance
conformance: build ## check RUNTIME=build/pyrunc against the runtime specification, and that each check can fail
	@tools/requirements test
	@conformance/spec --runtime "$(or $(RUNTIME),build/pyrunc)" --html build/conformance.html --json build/conformance.json
	@conformance/spec --runtime "$(or $(RUNTIME),build/pyrunc)" --prove

.PHONY: conformance-engines
conformance-engines: build ## run podman, containerd and docker with RUNTIME=build/pyrunc beside runc; writes build/engines.html
	@tools/requirements test
	@tools/requirements engines
	@conformance/engines --runtime "$(or $(RUNTIME),build/pyrunc)" --html build/engines.html --json build/engines.json

.PHONY: attacks
attacks: build ## run the attacks on RUNTIME=build/pyrunc beside runc and crun, and on weakened copies; writes build/attacks.html
	@tools/requirements test
	@tools/requirements bench
	@tests/attacks/run --runtime "$(or $(RUNTIME),build/pyrunc)" --runtime runc --runtime crun \
	    --html build/attacks.html --json build/attacks.json
	@tests/attacks/run --prove

.PHONY: lint
lint: build ## ruff, mypy and gcc only
	@$(PYTEST) --leaks=own tests/lint

.PHONY: format
format: environment ## format the Python files
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

.PHONY: differential
differential: build ## run many containers with runc and crun, too: what differs is in docs/differences.md
	@tools/requirements bench
	@$(PYTEST) --leaks=own tests/differential

.PHONY: bench
bench: build ## compare with runc and crun
	@tools/requirements bench
	@$(PY) tests/bench/run.py

.PHONY: faults
faults: build ## every fault at every moment, and commands at once with many seeds: the long form of tests/faults
	@tools/requirements test
ifndef TESTS
	@$(PY) tests/faults/run.py --json build/faults.json
endif
	@PYRUNC_FAULTS=full $(PYTEST) --leaks=own tests/faults $(TESTS)

.PHONY: fuzz
fuzz: build ## look for inputs that break something: MINUTES=60 each, FUZZER= only these; writes build/fuzz
	@tools/requirements fuzz
ifneq ($(origin VENV),command line)
	@$(PY) tools/make_venv.py $(VENV) fuzz || echo "no atheris for this interpreter: inputs are not chosen by coverage"
endif
	@$(PY) -m tests.fuzz.run --minutes $(or $(MINUTES),60) $(FUZZER)

.PHONY: denied
denied: build ## run every attack on paths, mounts and procfs with each newer system call denied
	@tools/requirements test
	@PYRUNC_DENIED=full $(PYTEST) --leaks=own tests/attacks/test_denied_*.py

.PHONY: soak
soak: build ## CYCLES=5000 lives of containers, PARALLEL=20 at a time: nothing may fail, stay or grow; needs an idle machine
	@tools/requirements test
	@$(PY) -m tests.soak.run --cycles $(or $(CYCLES),5000) --parallel $(or $(PARALLEL),20) --json build/soak.json

.PHONY: test-vm
test-vm: ## the integration tests on cgroup v2 under systemd, in a virtual machine (slow; builds it first)
	@tests/vm/integration $(TESTS)

# --- cleaning ---------------------------------------------------------------------------------------------------------

.PHONY: clean
clean: ## remove what build made, but not .venv
	@rm -rf build pyrunc/_shim*.so pyrunc/_shim.c pyrunc/_shim.o pyrunc/pyrunc-init pyrunc/spec/_check.py \
	    pyrunc/spec/_schema.json .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find pyrunc tests tools csrc -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: distclean
distclean: clean ## remove .venv, too
	@rm -rf .venv
