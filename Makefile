# Two commands are all that a newcomer needs: `make demo` and `make test`.
# Build caches live outside the checkout, so that a second run is quick.

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cofferdam
export COFFERDAM_CACHE := $(CACHE)
export CARGO_TARGET_DIR ?= $(CACHE)/target

.PHONY: help demo test test-all bench bench-all bench-footprint bench-preflight bench-vault packages build down

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: ## build everything and show the main job on a real cluster
	@./demo/run

test: ## run all tests
	@./tests/run core

test-all: ## run the full matrices too
	@./tests/run all

bench: packages ## measure speed and memory beside Velero; writes docs/benchmarks.md
	@./tests/bench/run

bench-all: packages ## the same with 300,000 objects too
	@./tests/bench/run --capture 2000,20000,100000,300000

bench-footprint: packages ## what agent and gateway use in a cluster, idle and during a backup
	@./tests/bench/run --only footprint --without-velero

bench-preflight: packages ## how long preflight of a cluster with 20,000 objects takes
	@./tests/bench/run --only preflight --without-velero

bench-vault: packages ## measure a vault with 10,000 agents and 5,000 instances; BENCH_AGENTS and others change that
	@./tests/bench/run-vault

packages: ## install the Debian packages that demo and tests need
	@./tests/packages

build: packages ## build the product and the testbed
	@./tests/checkout
	@cargo build -p cofferdam -p testbed -p csi-driver -p images

down: ## take down every cluster of the testbed and clean up
	@cargo run -q -p testbed -- down --all
