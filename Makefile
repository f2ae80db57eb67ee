# 随证 Suizheng. `make demo` and `make test` are all that a newcomer needs; both install what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One more than there are processors, up to four: the tests of the four validators mostly wait for blocks.
PROCESSES := $(shell $(PYTHON) -c "import os; print(min(4, (os.cpu_count() or 1) + 1))")
READY := $(VENV)/.ready
VENDOR := api/pages/static/vendor/.ready

.PHONY: demo test check format serve bench fuzz install web tools tools-kaia test-kaia lock clean

install: $(READY) $(VENDOR)

# The lock file's hashes are checked; the project itself is installed in place.
$(READY): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(READY)

# QR drawing and camera reading in the browser, from npm with integrity; without a registry all else works.
web: $(VENDOR)
$(VENDOR): web/package-lock.json web/install.py $(wildcard web/parts/*.js) $(READY)
	-@$(BIN)/python web/install.py && touch $@

demo: $(READY) $(VENDOR)
	$(BIN)/suizheng demo

test: $(READY) $(VENDOR)
	$(BIN)/pytest -q --numprocesses $(PROCESSES) --dist loadscope --no-loadscope-reorder

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

serve: $(READY) $(VENDOR)
	$(BIN)/suizheng serve

# make bench ONLY=name runs one entry. Those of the network need `make tools`.
bench: $(READY) $(VENDOR)
	$(BIN)/python -m bench $(if $(ONLY),--only $(ONLY),)

# make fuzz N=10000000 SEED=1: altered and random inputs against every reader; a fault stops it and keeps the input.
fuzz: $(READY)
	$(BIN)/python tests/fuzz.py --count $(or $(N),200000) $(if $(SEED),--seed $(SEED),)

# Needs uv; writes the pinned versions with hashes and no registry's address.
lock:
	uv pip compile pyproject.toml --extra server --group dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header -o requirements.lock

# Needs Go; pinned by go.sum and built once. geth is for the try-out network and its tests; kcn, a second engine, takes
# minutes to build and is asked for by name.
GO_BUILD = GOTOOLCHAIN=go1.22.12 GOFLAGS=-buildvcs=false go build -trimpath -o ../../../$@
tools: .tools/bin/geth .tools/bin/versitygw
tools-kaia: .tools/bin/kcn

.tools/bin/geth: deploy/programs/geth/go.mod deploy/programs/geth/go.sum
	cd deploy/programs/geth && $(GO_BUILD) github.com/ethereum/go-ethereum/cmd/geth

# A store that speaks S3, for the tests.
.tools/bin/versitygw: deploy/programs/versitygw/go.mod deploy/programs/versitygw/go.sum
	cd deploy/programs/versitygw && GOFLAGS=-buildvcs=false go build -trimpath -ldflags="-s -w" -o ../../../$@ \
		github.com/versity/versitygw/cmd/versitygw

.tools/bin/kcn: deploy/programs/kaia/go.mod deploy/programs/kaia/go.sum
	cd deploy/programs/kaia && $(GO_BUILD) github.com/kaiachain/kaia/cmd/kcn

# Not part of `make test`: needs `make tools-kaia`.
test-kaia: $(READY) .tools/bin/kcn
	$(BIN)/pytest -q tests/kaia_network.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis demo-output
