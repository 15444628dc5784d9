# Proffer.  The first two commands of a newcomer: `make demo`, `make test`.
.PHONY: help demo test check fuzz drill bench worker pyodide-wheel clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

demo: ## a demo shop with simulated visitors; needs only Python >= 3.11 (options: ARGS="--help")
	@sh scripts/venv.sh demo
	@.venv/bin/proffer demo $(ARGS)

test: ## every test; also needs Node >= 20 and Chromium (options: ARGS="tests/edge")
	@sh scripts/venv.sh test
	@.venv/bin/python -m tests.support.prepare
	@.venv/bin/python -m pytest --numprocesses=2 $(ARGS)

check: ## ruff and pyright
	@sh scripts/venv.sh test
	@.venv/bin/ruff check .
	@.venv/bin/pyright

fuzz: ## hostile input, many generated rules and decisions, two hours (options: see fuzz/run.py)
	@sh scripts/venv.sh test
	@.venv/bin/python -m tests.support.prepare
	@.venv/bin/python -m pip install -qq --disable-pip-version-check --editable ".[fuzz]"
	@.venv/bin/python -m fuzz.run

drill: ## faults at every step of a publish, half an hour; also needs strace (see drills/run.py)
	@sh scripts/venv.sh test
	@.venv/bin/python -m tests.support.prepare
	@.venv/bin/python -m pip install -qq --disable-pip-version-check --editable ".[drill]"
	@.venv/bin/python -m drills.run

bench: ## sizes and speeds as ratios, an hour or less (options: ARGS="size")
	@sh scripts/venv.sh test
	@.venv/bin/python -m pip install -qq --disable-pip-version-check --editable ".[bench]"
	@.venv/bin/python -m bench $(ARGS)

worker: ## build/worker, the folder that `npx wrangler deploy` uploads to Cloudflare
	@sh scripts/venv.sh demo
	@.venv/bin/python scripts/worker_folder.py build/worker

pyodide-wheel: ## dist/pyodide: the edge as a wheel for Pyodide, and the lock that installs it
	@sh scripts/venv.sh test
	@.venv/bin/python -m tests.support.prepare node
	@.venv/bin/python scripts/pyodide_wheel.py dist/pyodide

clean: ## removes what was installed, built and cached; keeps ./var, the data of the demo
	rm -rf .venv .cache node_modules build dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
