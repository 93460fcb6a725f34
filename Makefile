# Two commands do everything on a fresh machine: `make run` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PORT   ?= 8501

.PHONY: run demo test setup lint lock fuzz smoke-space smoke-trainer bench bench-train weights clean

run: setup
	WORKBENCH_LOCAL=1 $(BIN)/streamlit run app.py --server.port $(PORT) --server.address 127.0.0.1

demo: setup
	$(BIN)/python -m workbench demo

setup: $(VENV)/.installed

$(VENV)/.installed: requirements.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { echo "Python 3.11 or newer is needed; name one with make PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed requirements-test.txt requirements-onnx.txt tests/install_system.sh
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-test.txt
	sh tests/install_system.sh $(BIN)/python
	touch $@

# As many tests at once as there are processors, one thread each; then, one by one, those in a browser.
test: $(VENV)/.installed-test
	failed=0; \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile -m "not browser" || failed=1; \
	$(BIN)/python -m pytest -m browser || failed=1; \
	exit $$failed

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_layers.py

# Trainer and evaluation with a GPU Space's torch, without the pages' packages (minutes, 6 GB).
smoke-trainer: setup
	$(BIN)/python tests/smoke_trainer.py

# The assembled Gradio Space in a clean environment (minutes, 6 GB), or a published one: URL=...
smoke-space: setup
	$(BIN)/python tests/smoke_space.py $(if $(URL),--url $(URL))

# requirements.lock from requirements.txt, with the hash of every file; needs uv (pip install uv).
lock:
	{ sed -n '1,/^[^#]/{/^#/p;}' requirements.lock; uv pip compile --no-config --quiet --universal \
	  --python-version 3.11 --generate-hashes --no-header --no-annotate requirements.txt; } \
	  > requirements.lock.new && mv requirements.lock.new requirements.lock

# What strangers send, mutated: minutes to an hour. ARGS='clips --files 50' for less.
fuzz: setup
	$(BIN)/python -m benchmarks.fuzz $(or $(ARGS),all)

bench: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.bench

bench-train: setup
	$(BIN)/python -m benchmarks.bench_train $(ARGS)

# Every weight from data: DATA=SOURCE, and VALIDATION=, TEST=, IMAGES= or MINUTES= (of all), OUT=.
weights: setup
	$(BIN)/python -m workbench train all --data '$(DATA)' $(if $(VALIDATION),--validation '$(VALIDATION)') \
	  $(foreach set,$(wildcard $(TEST)),--test '$(set)') $(if $(IMAGES),--images $(IMAGES)) \
	  $(if $(MINUTES),--minutes $(MINUTES)) $(if $(OUT),--out '$(OUT)')

clean:
	rm -rf $(VENV) .work build *.egg-info
