# The two commands of the README are `make run` and `make test`. Everything that they install goes to .local/.

PYTHON ?= python3
# The functions' target, so that tests and functions share what is compiled.
TARGET := x86_64-unknown-linux-gnu
CARGO_TARGET := --target $(TARGET)

.PHONY: help run test lint unit end-to-end template schemas deny bench bench-deployed bench-build clean

help:
	@echo 'make run    the whole bundle on this machine, with a demonstration; Ctrl-C ends it'
	@echo 'make test   formatting, lints, unit and property tests, template checks, end-to-end tests'
	@echo 'make lint | unit | template | end-to-end   the parts of make test'
	@echo 'make schemas   the JSON Schemas of definitions and the OpenAPI document, made anew from the types'
	@echo 'make deny   licences, duplicates and sources of dependencies (needs cargo-deny)'
	@echo 'make bench   what every function and an event on its whole way need and cost: docs/benchmarks'
	@echo 'make bench-deployed   5,000 events at once through the bundle on this machine: docs/benchmarks/deployed.md'
	@echo 'make bench-build   how long debug builds take, as Markdown'

run:
	@$(PYTHON) local/bundle.py run

test: lint unit template end-to-end

lint:
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets $(CARGO_TARGET) -- -D warnings

unit:
	cargo test --quiet --workspace --exclude end-to-end $(CARGO_TARGET)

template:
	@$(PYTHON) local/bundle.py tools
	.local/sam/bin/cfn-lint --non-zero-exit-code informational template.yaml
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 .local/sam/bin/sam validate --lint

# The suites wait more than they compute, mostly for queues: more of them at a time than there are processors.
# What ends functions in the middle of their work comes first, by itself: a function may have messages of other tests in hand.
end-to-end:
	@$(PYTHON) local/bundle.py exec -- sh -c 'for suites in "crash::" "--skip crash::"; do \
		RUST_TEST_THREADS=8 cargo test --quiet -p end-to-end $(CARGO_TARGET) -- $$suites || exit; done'

# By way of a file beside them: the API is built with its document, and would be built with an empty one.
schemas:
	cargo run --quiet -p closedloop $(CARGO_TARGET) -- schema workflow > schemas/workflow.schema.json
	cargo run --quiet -p closedloop $(CARGO_TARGET) -- schema endpoint > schemas/endpoint.schema.json
	cargo run --quiet -p closedloop $(CARGO_TARGET) -- schema mail-template > schemas/mail-template.schema.json
	cargo run --quiet -p closedloop $(CARGO_TARGET) -- schema teamviewer-settings > schemas/teamviewer-settings.schema.json
	cargo run --quiet -p api $(CARGO_TARGET) --example openapi > shared/api/openapi.json.new
	mv shared/api/openapi.json.new shared/api/openapi.json

deny:
	cargo deny check bans licenses sources

# Release builds, one process a function, beside an empty function and the same task in Python and in Node. Node is left out
# where there is none, Node-RED unless asked for: make bench NODE_RED=1. What is installed for it goes to .local/bench/.
BENCH := .local/bench
BENCH_FUNCTIONS := accounts-api connect evaluate ingest qualtrics-responses schedules servicenow-tasks teamviewer-api \
	teamviewer-connections teamviewer-tasks workflows-api zendesk-tasks
BENCH_TARGET := $(or $(CARGO_TARGET_DIR),target)
BENCH_BINARIES := $(BENCH_TARGET)/$(TARGET)/release

# On one processor, as functions of less than 1,769 MB have: what works on the other would disturb it, now more, now less.
BENCH_PROCESSOR := $(if $(shell command -v taskset),taskset --cpu-list 0)

bench: $(BENCH)/python/installed $(if $(shell command -v npm),$(BENCH)/node/dist/function.cjs) $(if $(NODE_RED),$(BENCH)/node-red/installed)
	cargo build --release --quiet $(CARGO_TARGET) $(BENCH_FUNCTIONS:%=-p %)
	cargo build --release --quiet --locked $(CARGO_TARGET) --manifest-path benches/empty/Cargo.toml --target-dir $(BENCH_TARGET)
	cargo build --profile driver --quiet $(CARGO_TARGET) -p benchmark --features engine --bin bench
	$(BENCH_PROCESSOR) $(BENCH_TARGET)/$(TARGET)/driver/bench --binaries $(BENCH_BINARIES) --empty $(BENCH_BINARIES)/empty \
		--python $(PYTHON) --python-installed $(BENCH)/python --node-installed $(BENCH)/node \
		$(if $(NODE_RED),--node-red-installed $(BENCH)/node-red) $(BENCH_ARGUMENTS)

$(BENCH)/python/installed: benches/python/requirements.txt
	rm -rf $(@D) $(BENCH)/pip
	$(PYTHON) -m venv $(BENCH)/pip
	$(BENCH)/pip/bin/python -m pip install --quiet --disable-pip-version-check --target $(@D) -r $<
	touch $@

$(BENCH)/node/dist/function.cjs: $(wildcard benches/node/*)
	rm -rf $(BENCH)/node && mkdir -p $(BENCH)/node && cp $^ $(BENCH)/node
	cd $(BENCH)/node && npm ci --silent --no-audit --no-fund && npm run --silent build

$(BENCH)/node-red/installed: benches/node-red/package.json benches/node-red/package-lock.json
	rm -rf $(@D) && mkdir -p $(@D) && cp $^ $(@D)
	cd $(@D) && npm ci --silent --no-audit --no-fund
	touch $@

# Fewer: make bench-deployed EVENTS=500.
bench-deployed:
	@EVENTS=$(EVENTS) $(PYTHON) local/bundle.py exec -- cargo test --quiet -p end-to-end --bench deployed $(CARGO_TARGET)

bench-build:
	@$(PYTHON) benches/build.py $(TARGET)

clean:
	rm -rf .local .aws-sam target
