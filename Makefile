# What one can do with this tree. `make` lists it. Every target works as an ordinary user; as root, tests and the demo run as users
# that are made for them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
PREFIX ?= /usr/local
FUZZTIME ?= 10s
SOAKTIME ?= 10m
GO ?= go
GOLANGCI_LINT ?= github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# No C library, no cgo: GPG signatures are checked in Go, and the store's btrfs driver needs C.
TAGS := containers_image_openpgp exclude_graphdriver_btrfs
# Without a readable repository (a copy, or somebody else's checkout) Go must not ask git for the commit.
BUILDVCS := $(shell git rev-parse HEAD >/dev/null 2>&1 && echo auto || echo false)
BUILD := $(GO) build -trimpath -buildvcs=$(BUILDVCS) -tags '$(TAGS)' -ldflags '-s -w -X main.buildVersion=$(VERSION)'
export CGO_ENABLED := 0

.PHONY: help
help: ## list the targets
	@awk -F ':[^#]*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: build
build: ## the static program, bin/peapod
	$(BUILD) -o bin/peapod ./cmd/peapod

.PHONY: build-arm64
build-arm64: ## the same for arm64, bin/peapod-arm64
	GOARCH=arm64 $(BUILD) -o bin/peapod-arm64 ./cmd/peapod

.PHONY: demo
demo: build ## run a Pod from beginning to end, and show it
	contrib/demo/run

.PHONY: test
test: vet unit e2e oci ## everything that decides whether this tree works: vet, unit, e2e, oci

.PHONY: vet
vet: ## go vet, and gofmt has nothing to say
	$(GO) vet -tags '$(TAGS)' ./... ./.ci/testsum
	@files=$$(gofmt -l $$(find . -name '*.go' -not -path './.cache/*')); [ -z "$$files" ] || { echo "gofmt would change: $$files"; exit 1; }

.PHONY: unit
unit: ## unit tests with the race detector
ifeq ($(shell id -u),0)
	.ci/as-user --copy peapod-unit $(MAKE) unit
else
	CGO_ENABLED=1 $(GO) test -race -json -vet=off -buildvcs=false -tags '$(TAGS)' $$($(GO) list -tags '$(TAGS)' ./... | grep -vE "/tests/(e2e|oci)$$") | $(GO) run ./.ci/testsum
endif

.PHONY: e2e
e2e: build ## end-to-end tests: scripts that a user could type, against a real registry
	PEAPOD=$(CURDIR)/bin/peapod tests/run

.PHONY: oci
oci: build ## containers by the OCI command line: life cycle, validation programs, the same view as under crun
	PEAPOD=$(CURDIR)/bin/peapod tests/oci/run

.PHONY: bench
bench: build ## speed and memory, beside podman where it is installed
	tests/bench/run
	tests/bench/start
	tests/bench/run --many
	tests/bench/pull
	tests/bench/net

.PHONY: lint
lint: ## golangci-lint, which is compiled at first (some minutes), and shellcheck
	$(GO) run $(GOLANGCI_LINT) run
	shellcheck $$(grep -rlE '^#!/bin/(ba)?sh' .ci contrib tests/run tests/bench tests/images --exclude-dir=rootfs --exclude-dir=config)

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (10s)
	.ci/fuzz $(FUZZTIME) -buildvcs=false -tags '$(TAGS)'

.PHONY: soak
soak: ## connections opened and closed at random for SOAKTIME (10m) with each network engine: nothing may stay open
ifeq ($(shell id -u),0)
	.ci/as-user --copy peapod-unit $(MAKE) soak SOAKTIME=$(SOAKTIME)
else
	$(GO) test -buildvcs=false -tags '$(TAGS)' -count 1 -timeout 0 -run 'TestSoak$$' -v ./netstack -soak $(SOAKTIME)
endif

.PHONY: install
install: build ## copy program and shell completions below PREFIX (/usr/local); DESTDIR is put in front
	install -D -m 755 bin/peapod $(DESTDIR)$(PREFIX)/bin/peapod
	install -d $(DESTDIR)$(PREFIX)/share/{bash-completion/completions,zsh/site-functions,fish/vendor_completions.d}
	bin/peapod completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/peapod
	bin/peapod completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_peapod
	bin/peapod completion fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/peapod.fish

.PHONY: clean
clean: ## remove what was built here
	rm -rf bin
