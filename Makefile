# Binocular's commands. `make` lists them; each line behind a target is its description.
# Nothing is needed but Python 3.11 and make: the first target that needs it makes .venv.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV := $(shell command -v uv)
BIN := .venv/bin
SETS := gateway puller server server-tensorflow components pipelines local
SAMPLE ?= sample
# Built binaries of tools that tests use live outside the tree, so that a fresh clone finds them again.
TOOLS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/binocular/bin
MINIO_VERSION := v0.0.0-20260212201848-7aac2a2c5b7c
KUSTOMIZE_VERSION := v5.8.0

.PHONY: help
help: ## List the commands
	@echo "make COMMAND, where COMMAND is one of"
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

.PHONY: setup
setup: .venv/local ## Install what Binocular needs into .venv

.venv/bin/python:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "Binocular needs Python 3.11; found $$("$(PYTHON)" -V 2>&1). Name one: make PYTHON=/path/to/python3.11"; exit 1; }
	"$(PYTHON)" -m venv .venv

# Every version and hash is pinned and the sets are complete, so nothing is resolved here. uv, where it is
# installed, does the same as pip in less time.
ifdef UV
INSTALL = uv pip install -p .venv --require-hashes --no-deps -r $(1)
else
INSTALL = $(BIN)/python -m pip install --no-deps --require-hashes --disable-pip-version-check -r $(1) | \
	{ grep -v -e '^Requirement already' -e '^Ignoring' || true; }
endif
PROJECT = $(if $(UV),uv pip install -q -p .venv,$(BIN)/python -m pip install -q --disable-pip-version-check) --no-deps --no-build-isolation -e .

.venv/local: .venv/bin/python requirements/local.txt pyproject.toml
	$(call INSTALL,requirements/local.txt)
	$(PROJECT)
	@touch $@

.venv/dev: .venv/local requirements/dev.txt
	$(call INSTALL,requirements/dev.txt)
	@touch $@

.PHONY: demo
demo: .venv/local ## Start everything, draw the sample, train on it, serve what came of it
	@$(BIN)/binocular status >/dev/null || $(BIN)/binocular up
	@[ -d "$(SAMPLE)" ] || $(BIN)/binocular sample "$(SAMPLE)"
	@$(BIN)/binocular run -p source="$(abspath $(SAMPLE))" -p architecture=small_cnn -p epochs=24
	@$(BIN)/binocular models
	@$(BIN)/binocular predict --wait 60 "$$(ls "$(SAMPLE)"/glass/*.jpg | head -1)"
	@$(BIN)/binocular status

.PHONY: up down status logs
up: .venv/local ## Start every part and wait until all are ready
	@$(BIN)/binocular up
down: .venv/local ## Stop every part, also after a crash
	@$(BIN)/binocular down
status: .venv/local ## Show each part: condition, since when, restarts, address
	@$(BIN)/binocular status
logs: .venv/local ## Show the logs as they are written
	@$(BIN)/binocular logs --follow

.PHONY: run
run: .venv/local ## Run the pipeline on labelled photos: make run DATA=photos/ (a folder, archive, URL, s3://…)
	@$(BIN)/binocular status >/dev/null || $(BIN)/binocular up
	@$(BIN)/binocular run $(if $(DATA),--param source="$(if $(wildcard $(DATA)),$(abspath $(DATA)),$(DATA))")

.PHONY: predict retrain
predict: .venv/local ## Say what an image shows: make predict IMAGE=photo.jpg
	@$(BIN)/binocular predict "$(IMAGE)"
retrain: .venv/local ## Train again, on what people sent and corrected since
	@$(BIN)/binocular retrain

.PHONY: sample
sample: .venv/local ## Draw the sample dataset into ./sample
	@$(BIN)/binocular sample "$(SAMPLE)"

# The profiles are in locust/profiles.py. The gateway's token, where the load shall include corrections, is TOKEN in
# the environment.
PROFILE ?= smoke
URL ?= http://127.0.0.1:8080
LOAD := load-reports
.PHONY: load
load: .venv/local ## Put load on a gateway: make load PROFILE=steady URL=http://127.0.0.1:8080
	@mkdir -p $(LOAD)
	$(BIN)/locust -f locust/locustfile.py --headless --only-summary --load $(PROFILE) --host $(URL) \
		--html $(LOAD)/$(PROFILE).html --csv $(LOAD)/$(PROFILE) --over-time $(LOAD)/$(PROFILE)-over-time.html

# What we are compared with is installed apart from everything else.
WHAT ?=
.PHONY: bench
bench: .venv/local .venv-bench/ready ## Measure, into docs/performance.md: make bench, or make bench WHAT="predict train"
	$(BIN)/python -m benchmarks --docs $(WHAT) $(BENCH)

# Real photographs are nobody's to copy: they are looked for in a folder, or downloaded.
PHOTOS ?= photos
WEIGHTS ?= imagenet
.PHONY: reproduce
reproduce: .venv/local ## Train on public sets of real photographs, into docs/results.md: make reproduce PHOTOS=FOLDER
	$(BIN)/python -m benchmarks.reproduce --docs --photos "$(PHOTOS)" --weights "$(WEIGHTS)"

.venv-bench/ready: requirements/bench.txt
	"$(PYTHON)" -m venv .venv-bench
	$(subst $(BIN)/,.venv-bench/bin/,$(subst -p .venv ,-p .venv-bench ,$(call INSTALL,requirements/bench.txt)))
	@touch $@

.PHONY: test test-unit
test: .venv/dev ## Run every test
	$(BIN)/pytest
test-unit: .venv/dev ## Run the tests that take seconds
	$(BIN)/pytest tests/unit

.PHONY: screenshots pictures
screenshots: .venv/dev ## Photograph every page of the dashboard into screenshots/
	$(BIN)/python -m tests.e2e.screenshots
pictures: .venv/dev ## Take the pictures that the README shows, into docs/pictures/
	$(BIN)/python -m tests.e2e.pictures

.PHONY: lint format
lint: .venv/dev ## Check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache
format: .venv/dev ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: compile
compile: .venv/local ## Compile the pipeline to pipeline/pipeline.yaml
	@$(BIN)/python -m pipeline.compile

.PHONY: docs
docs: .venv/local ## Write the generated pages of docs/
	@$(BIN)/binocular settings --markdown > docs/settings.md
	@$(BIN)/python -m gateway.openapi > docs/openapi.json

# dev holds every other set, so their versions are taken from it: an image runs what was tested.
LOCK = $(BIN)/uv pip compile -q pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links
# What `make bench` compares us with has a set of its own, with the same packages where they do the same work.
COMPARED := flask|keras|numpy|pillow|tensorflow
.PHONY: lock
lock: .venv/dev ## Renew requirements/*.txt to the newest versions that pyproject.toml allows
	$(LOCK) --upgrade --extra dev -c requirements/held-back.in -o requirements/dev.txt
	@for set in $(SETS); do echo "requirements/$$set.txt"; $(LOCK) --extra $$set -c requirements/dev.txt -o requirements/$$set.txt; done
	@echo requirements/bench.txt
	@$(LOCK) --extra bench -c <(grep -oE '^($(COMPARED))==[^\]+' requirements/dev.txt) -o requirements/bench.txt

.PHONY: minio
minio: $(TOOLS)/minio ## Build a MinIO server with Go, for the store's tests
$(TOOLS)/minio:
	@command -v go >/dev/null || { echo "make minio needs Go, which is not on this machine"; exit 1; }
	@echo "building MinIO $(MINIO_VERSION): a few minutes"
	@mkdir -p "$(TOOLS)" && GOBIN="$(TOOLS)" go install github.com/minio/minio@$(MINIO_VERSION)

.PHONY: kustomize
kustomize: $(TOOLS)/kustomize ## Build kustomize with Go, for the manifests
$(TOOLS)/kustomize:
	@command -v go >/dev/null || { echo "make kustomize needs Go, which is not on this machine"; exit 1; }
	@mkdir -p "$(TOOLS)" && GOBIN="$(TOOLS)" go install sigs.k8s.io/kustomize/kustomize/v5@$(KUSTOMIZE_VERSION)

.PHONY: manifests
manifests: .venv/dev ## Render the manifests to manifests/rendered
	@$(BIN)/python -m manifests.render

# REGISTRY stands before the images' names; BUILD_OPTIONS and RUN_OPTIONS are for docker, podman or buildah.
.PHONY: images push test-containers
images: .venv/local ## Build the container images: make images REGISTRY=registry.example.com/team
	@$(BIN)/python -m pipeline.images $(if $(REGISTRY),--registry "$(REGISTRY)") --options="$(BUILD_OPTIONS)"
push: .venv/local ## Build the container images and push them to REGISTRY
	@$(BIN)/python -m pipeline.images --push --registry "$(or $(REGISTRY),$(error make push REGISTRY=registry.example.com/team))" --options="$(BUILD_OPTIONS)"
test-containers: .venv/dev ## Build the images and drive them: minutes, and a container engine
	BUILD_OPTIONS="$(BUILD_OPTIONS)" RUN_OPTIONS="$(RUN_OPTIONS)" $(BIN)/pytest tests/containers -v

.PHONY: compose-env compose-up compose-down
compose-env: .venv/local ## Write the .env of compose.yaml: new keys, unless there are some, and the images' tags
	@$(BIN)/python -m manifests.compose_env
compose-up: compose-env ## Build the images and start Binocular in containers
	@$(BIN)/python -m pipeline.images gateway pipelines puller server --options="$(BUILD_OPTIONS)"
	@[ -d "$(SAMPLE)" ] || $(BIN)/binocular sample "$(SAMPLE)"
	docker compose up --detach --wait
compose-down: ## Stop the containers; what they keep stays in volumes
	docker compose down

# A cluster. OVERLAY is one of manifests/overlays, or a folder of yours; WITH are components of manifests/components;
# OPTIONS are more of `python -m manifests.deployment`.
CLUSTER ?= binocular
OVERLAY ?= kind
KFP_VERSION := 2.17.0
KIND_NODE := kindest/node:v1.35.0
KUBECTL ?= kubectl
.PHONY: kind-up kind-images kind-down deploy submit
kind-up: ## Make a kind cluster with Kubeflow Pipelines on it
	kind get clusters | grep -qx "$(CLUSTER)" || kind create cluster --name "$(CLUSTER)" --image "$(KIND_NODE)" --wait 300s
	$(KUBECTL) apply -k "github.com/kubeflow/pipelines/manifests/kustomize/cluster-scoped-resources?ref=$(KFP_VERSION)"
	$(KUBECTL) wait --for condition=established --timeout=120s crd/applications.app.k8s.io
	$(KUBECTL) apply -k "github.com/kubeflow/pipelines/manifests/kustomize/env/platform-agnostic?ref=$(KFP_VERSION)"
	$(KUBECTL) -n kubeflow wait --for=condition=available --timeout=900s deployment --all
kind-images: images ## Build the container images and load them into the kind cluster
	$(BIN)/python -m pipeline.images --tags | xargs kind load docker-image --name "$(CLUSTER)"
kind-down: ## Delete the kind cluster
	kind delete cluster --name "$(CLUSTER)"
deploy: .venv/local ## Apply the manifests: make deploy OVERLAY=cloud REGISTRY=… WITH="monitoring" ACCELERATORS=1
	@$(BIN)/python -m manifests.deployment "$(OVERLAY)" $(foreach each,$(WITH),--with $(each)) \
		$(if $(REGISTRY),--registry "$(REGISTRY)") $(if $(ACCELERATORS),--accelerators $(ACCELERATORS)) $(OPTIONS)
	@# A job cannot be changed, only made anew; these may run again at any time.
	$(KUBECTL) -n binocular delete job secrets bucket upload --ignore-not-found
	$(KUBECTL) apply -k build/deploy
submit: .venv/local ## Start a run on the cluster behind BINOCULAR_KFP_URL: make submit DATA=s3://bucket/photos
	@$(BIN)/binocular run build/deploy/pipeline.yaml $(if $(DATA),--param source="$(DATA)")

.PHONY: clean
clean: ## Remove .venv and caches; data in .binocular stays
	rm -rf .venv .venv-bench .mypy_cache .pytest_cache .ruff_cache *.egg-info
