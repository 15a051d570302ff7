# asteri-loop: `make run` shows it, `make test` proves it, `make help` lists the rest.
# Needs Go and Python 3.10 or newer; what else is needed is fetched into .venv/
# and Go's caches.

GO      ?= go
PYTHON  ?= python3
VERSION ?= $(shell git describe --tags --dirty 2>/dev/null)

# make run EXAMPLE=flask|django|fastapi|starlette|tornado [MODEL=...] [LISTEN=...]
EXAMPLE ?= tornado
MODEL   ?= $(if $(filter fastapi starlette,$(EXAMPLE)),asgi,gtornado)
LISTEN  ?= :8443

app.flask     = app:create_app()
app.django    = mysite.wsgi
app.fastapi   = main:app
app.starlette = app:app
app.tornado   = app:make_app()

# make fuzz FUZZTIME=1m
FUZZTIME ?= 20s

BINARY := bin/asteri-loop
export PYTHON

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build one static binary: bin/asteri-loop
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w $(if $(VERSION),-X main.version=$(VERSION))" -o $(BINARY) ./cmd/asteri-loop

.PHONY: run
run: build ## Serve an example (EXAMPLE=tornado) on https://localhost:8443
	@scripts/venv.sh .venv/$(EXAMPLE) examples/$(EXAMPLE)/requirements.txt
	$(if $(filter django,$(EXAMPLE)),cd examples/django && ../../.venv/django/bin/python manage.py migrate --verbosity 0)
	$(BINARY) -w $(MODEL) -l $(LISTEN) --access-logfile - --chdir examples/$(EXAMPLE) --python $(CURDIR)/.venv/$(EXAMPLE) "$(app.$(EXAMPLE))"

.PHONY: .venv/tests
.venv/tests:
	@scripts/venv.sh $@ internal/tests/suite/apps/requirements.txt

# nginx and HAProxy, for the tests in which they stand in front of the server.
.PHONY: proxies
proxies:
	@scripts/proxies.sh

# What is run before each commit: 8 minutes on two cores that do nothing else.
.PHONY: test
test: format vet test-shim test-go suite ## All tests

# What is slower, and mostly not about behaviour.
.PHONY: check
check: lint cross test-debug ## Linters, builds for other systems, tests of a debug build

.PHONY: test-go
test-go: .venv/tests ## The Go tests but the integration suite, with the race detector
	$(GO) test -race -shuffle=on -timeout 20m $$($(GO) list ./... | grep -v '/internal/tests/suite$$')

# A build that panics where a rule of package asteri or loop is broken which a release
# build does not look at: who calls, and what is kept.
.PHONY: test-debug
test-debug: ## The tests of the loops and the protocols, in a debug build (-tags asteridebug)
	$(GO) test -tags asteridebug -shuffle=on ./loop ./http1 ./http2 ./http3 ./workers ./internal/tests/contract ./internal/system/poison ./internal/protocol/exchange

# PYTHONS=all: every Python from 3.9 on that is there (scripts/pythons.sh).
PYTHONS ?= $(PYTHON)

.PHONY: test-shim
test-shim: ## The worker's Python tests (PYTHONS=all)
	scripts/test-shim.sh $(filter-out all,$(PYTHONS))

# RACE=-race: the server under test is built with the race detector, too. Takes five times as long.
.PHONY: suite
suite: .venv/tests proxies ## The integration suite: real servers, clients and frameworks
	$(GO) test $(RACE) -shuffle=on -timeout 25m ./internal/tests/suite

.PHONY: browser
browser: build ## The status page in a real Chromium (CHROMIUM=...); needs Node.js; IMAGES=docs/images takes its pictures
	cd scripts/browser && npm ci --no-audit --no-fund
	node scripts/browser/status.mjs $(abspath $(BINARY)) $(IMAGES)

.PHONY: format
format: ## Check that Go files are formatted
	@files=$$(gofmt -l $$(git ls-files '*.go')); \
	if [ -n "$$files" ]; then echo "not formatted; run gofmt -w on:" >&2; echo "$$files" >&2; exit 1; fi

.PHONY: vet
vet:
	$(GO) vet ./...
	$(GO) vet -tags profile ./cmd/asteri-loop
	$(GO) vet -tags asteridebug ./...

.PHONY: lint
lint: ## Run the linters
	scripts/lint.sh

.PHONY: cross
cross: ## Build and vet for the other systems
	scripts/cross.sh

.PHONY: promtool
promtool: ## Check the alert rules and the dashboard, where promtool is installed
	scripts/promtool.sh

.PHONY: autobahn
autobahn: build .venv/tests ## Autobahn's WebSocket suite; needs a CPython 2.7 and an hour (CASES='"1.*"' for less)
	scripts/autobahn.sh $(if $(CASES),'$(CASES)')

.PHONY: pgo
pgo: ## Make the profile that the compiler optimises by, cmd/asteri-loop/default.pgo (bench/deps.sh first)
	scripts/pgo.sh

# What is compiled to be checked is compiled without that profile, which takes longer.
test test-go test-debug test-shim suite fuzz vet lint cross: export GOFLAGS := $(strip $(GOFLAGS) -pgo=off)

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (20s)
	scripts/fuzz.sh $(FUZZTIME)

.PHONY: bench
bench: ## Compare with other servers; installs them first
	bench/deps.sh
	$(GO) run ./bench

.PHONY: overload
overload: ## Attack the server, and measure what is left for others
	$(GO) run ./bench/overload

.PHONY: clean
clean: ## Remove what was built and prepared
	rm -rf bin .venv
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
