# The two commands of the README are `make run` and `make test`. Everything that they install goes to .local/.

PYTHON ?= python3
# The functions' target, so that tests and functions share what is compiled.
TARGET := x86_64-unknown-linux-gnu
CARGO_TARGET := --target $(TARGET)

.PHONY: help run test lint unit end-to-end template schemas deny bench-evaluate clean

help:
	@echo 'make run    the whole bundle on this machine, with a demonstration; Ctrl-C ends it'
	@echo 'make test   formatting, lints, unit and property tests, template checks, end-to-end tests'
	@echo 'make lint | unit | template | end-to-end   the parts of make test'
	@echo 'make schemas   the JSON Schemas of definitions, made anew from the types'
	@echo 'make deny   licences, duplicates and sources of dependencies (needs cargo-deny)'
	@echo 'make bench-evaluate   what an event costs with 10 and with 10,000 workflows, as Markdown'

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

end-to-end:
	@$(PYTHON) local/bundle.py exec -- cargo test --quiet -p end-to-end $(CARGO_TARGET)

schemas:
	cargo run --quiet -p closedloop $(CARGO_TARGET) -- schema workflow > schemas/workflow.schema.json
	cargo run --quiet -p closedloop $(CARGO_TARGET) -- schema endpoint > schemas/endpoint.schema.json

deny:
	cargo deny check bans licenses sources

# Its tables' engine is compiled for it alone, so it is no part of `make test`.
bench-evaluate:
	cargo run --release --quiet -p benchmark --features engine $(CARGO_TARGET)

clean:
	rm -rf .local .aws-sam target
