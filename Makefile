# FaceStats on Triton. `make help` lists the targets; each sets up what it needs.
PYTHON ?= python3.11
# What `make bench-peers` measures against.
LITSERVE := 0.2.19
VENV   := .venv
BIN    := $(VENV)/bin
IMAGE  ?= examples/astronaut.jpg

.DEFAULT_GOAL := help
.PHONY: help setup system serve score export test test-all test-packages generators test-fast lint format lock bench bench-check bench-peers bench-transport bench-psl bench-gpu tune load-generator bench-load bench-bulk precisions soak fuzz capacity check-images check-wheel snapshots docs clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready  ## Create .venv and install everything, for development (once)

DECLARED := pyproject.toml setup.py constraints.txt client/pyproject.toml deploy/system-packages.sh

# A stamp for each kind of installation: what serves needs neither bulk scoring nor development's tools.
$(VENV)/.ready: $(DECLARED)
	$(call install,dev)
	touch $@ $(VENV)/.serves

$(VENV)/.serves: $(DECLARED)
	$(call install,serve)
	touch $@

define install
sh deploy/system-packages.sh
test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
$(BIN)/python -m pip install --quiet --upgrade "pip>=24"
$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[$(1)]' -e client
endef

serve: $(VENV)/.serves  ## Export if needed, then serve on http://127.0.0.1:8080 until Ctrl-C
	@exec $(BIN)/facestats up $(ARGS)

score: $(VENV)/.serves  ## Score IMAGE=path with the running service
	@$(BIN)/facestats score $(IMAGE)

export: $(VENV)/.serves  ## Export the models (ARGS="--weights ... --precision ...")
	$(BIN)/facestats export $(ARGS)

# Tests mostly wait for servers to start and end, so two files run side by side; each lane has a stack of its own.
LANES := -n 2 --dist loadfile --no-loadscope-reorder

test: setup test-packages  ## The tests, on a real tritonserver
	$(BIN)/pytest $(LANES) -m "not slow"

test-all: setup test-packages generators  ## Those too that take minutes each: exports, clusters, trainings, faults, wheels
	$(BIN)/pytest $(LANES)

test-packages:  ## Install what only tests need of the system (Chromium, Prometheus, docker-compose)
	@sh deploy/test-packages.sh

generators:  ## Install the client generators and linters that tests hold our OpenAPI document against
	@PYTHON=$(PYTHON) sh deploy/test-generators.sh

test-fast: setup  ## Tests without servers that take no seconds each, about a minute
	$(BIN)/pytest $(LANES) -m "not integration and not thorough"

lint: setup  ## ruff and mypy --strict
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: setup  ## Format and fix what can be fixed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: setup load-generator .venv-peers/.ready  ## Measure everything and write docs/performance.md's tables (ARGS="--rounds 5")
	$(BIN)/facestats bench --page docs/performance.md --page README.md --plot docs/images/latency.svg $(ARGS)

bench-peers: setup load-generator .venv-peers/.ready  ## The service beside LitServe doing the same job: README's table
	$(BIN)/facestats bench --quick --page README.md --page docs/performance.md $(ARGS)

.venv-peers/.ready: Makefile
	$(PYTHON) -m venv .venv-peers
	grep -v -E '^(onnx|#)' constraints.txt > .venv-peers/constraints.txt
	.venv-peers/bin/python -m pip install --quiet -c .venv-peers/constraints.txt \
		"litserve==$(LITSERVE)" "torch==2.13.0" transformers "mediapipe==0.10.21" pillow
	touch $@

bench-check: setup load-generator .venv-peers/.ready  ## Fail if a ratio lost more than 10 % of benchmarks/reference.json
	$(BIN)/facestats bench --quick --check

bench-transport: setup  ## Pixels in the gRPC message or in shared memory: which is faster?
	$(BIN)/python -m benchmarks.transport

bench-psl: setup load-generator  ## The whole job inside Triton (psl, and the gateway in front of it) against the gateway
	$(BIN)/python -m benchmarks.whole_job $(ARGS)

bench-gpu: setup load-generator $(VENV)/.gpu  ## On a machine with an NVIDIA GPU: throughput by batch, share of its matrix rate, CPU cores it needs
	$(BIN)/python -m benchmarks.gpu $(ARGS)

$(VENV)/.gpu: constraints.txt
	@# Both distributions put the same package into place.
	$(BIN)/python -m pip uninstall --quiet --yes onnxruntime onnxruntime-gpu
	$(BIN)/python -m pip install --quiet -c constraints.txt "onnxruntime-gpu[cuda,cudnn]>=1.27"
	touch $@

tune: setup load-generator  ## Find this machine's best settings for `make serve`
	$(BIN)/facestats tune $(ARGS)

load-generator: .venv-load/bin/locust  ## Install wrk, and Locust in an environment of its own
	@command -v wrk >/dev/null \
		|| { apt-get update -qq && apt-get install -y -qq --no-install-recommends wrk >/dev/null; } \
		|| { echo "wrk is missing: sudo apt-get install wrk" >&2; exit 1; }

.venv-load/bin/locust:
	$(PYTHON) -m venv .venv-load
	.venv-load/bin/python -m pip install --quiet "locust==2.47.0"

lock: setup  ## Write constraints.txt from the current environment
	(sed -n 1p constraints.txt; $(BIN)/pip freeze --exclude-editable | grep -v ' @ ' | sed 's/+cpu//') > constraints.new
	mv constraints.new constraints.txt

bench-load: setup load-generator  ## Offer twice the capacity for a minute and judge the answers
	$(BIN)/python -m benchmarks.load $(ARGS)

bench-bulk: setup  ## Score 2,000 photos in bulk on two Ray nodes, one worker killed, and compare with the gateway
	$(BIN)/python -m benchmarks.bulk $(ARGS)

precisions: setup  ## Size, drift and speed of each precision: the table of README.md and docs/export.md
	$(BIN)/python -m benchmarks.precisions --page README.md --page docs/export.md $(ARGS)

soak: setup  ## 10,000 requests: does memory stay flat?
	$(BIN)/python -m benchmarks.soak $(ARGS)

fuzz: setup  ## Tens of thousands of damaged images and requests, and Schemathesis on our OpenAPI
	$(BIN)/python -m benchmarks.fuzz $(ARGS)

capacity: setup  ## Measure one, two and four Tritons and write docs/capacity.md's tables (ARGS="--price 0.03")
	$(BIN)/python -m benchmarks.scaling --page docs/capacity.md $(ARGS)

check-images: setup  ## Run the Dockerfiles' own steps and commands without Docker (ARGS="gateway triton export all-in-one")
	$(BIN)/python deploy/docker/check_install.py $(ARGS)

check-wheel: $(VENV)/.ready  ## Build the wheels, install them in a fresh environment, serve and score (PYTHON=python3.12)
	$(BIN)/python deploy/check_wheel.py $(shell command -v $(PYTHON))

snapshots: setup  ## Freeze the OpenAPI document and a full answer anew, after a change that callers are meant to see
	PYTHONPATH=. $(BIN)/python -m tests.gateway.what_callers_see

docs: setup  ## Write the generated pages of the documentation, and the settings that Compose passes through
	PYTHONPATH=docs $(BIN)/python -m facestats_docs.settings_table docs/settings.md
	PYTHONPATH=docs $(BIN)/python -m facestats_docs.compose_settings docker-compose.yml
	PYTHONPATH=docs $(BIN)/python -m facestats_docs.geometry_table docs/geometry.md
	PYTHONPATH=docs:. $(BIN)/python -m facestats_docs.formats_table docs/formats.md

clean:  ## Remove generated models, caches and the virtual environment
	rm -rf $(VENV) .venv-generators .venv-load .venv-peers .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find model_repository -name model.onnx -delete -o -name 'exported.pbtxt' -delete
