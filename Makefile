# Flashclaim: every command of the project. `make` alone prints this help.
.DEFAULT_GOAL := help
.PHONY: help build run up down status clean test model fuzz chaos bench schema lint format
stack := tests/stack/stack.sh

help: ## this help
	@printf 'Flashclaim: flash-sale coupons that are never oversold and never lost.\n\n'
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile
	@printf '\nFLASHCLAIM_PORT_BASE=n chooses the ports n to n+7 (default 8080; remembered in .run until make clean).\n'

build: ## all programs and tests, with progress; TARGET=test_unit for one of them
	@tests/stack/install.sh build
	@tests/stack/build.sh build $(or $(TARGET),all)

run: ## install what is missing, build, start the stack, replay real receipts, stay until Ctrl-C
	@$(stack) run

up: ## the same stack in the background, without the replay; starts again only what is dead
	@$(stack) up

down: ## stop the stack; its data stays in .run
	@$(stack) down

status: ## what runs, with pids and ports
	@$(stack) status

clean: ## stop the stack, remove its data and the builds
	@$(stack) clean

test: ## all suites on services of their own; SUITE=lua FILTER='Claim*' for some, SANITIZE=address|undefined|thread for a checked build
	@SANITIZE='$(SANITIZE)' SUITE='$(SUITE)' FILTER='$(FILTER)' tests/stack/run_tests.sh

chaos: ## kill and stop everything at random while claims flow, then judge; SECONDS=n SEED=n RATE=claims/s GAP_MS=n OUTPUT=text|json
	@tests/chaos/storm.sh '$(SECONDS)' '$(SEED)' '$(RATE)' '$(GAP_MS)' '$(OUTPUT)'

model: ## the protocol explored exhaustively with spin, and every guard taken out once; FILTER=LOSS for some
	@tests/stack/install.sh build test
	@tests/model/run.sh '$(FILTER)'

fuzz: ## every parser fed with mutated bytes under sanitizers; SECONDS=n in total (60)
	@tests/fuzz/run.sh '$(SECONDS)'

bench: ## the parts by themselves, and the whole beside nginx, nginx + lua + EVALSHA and webdis; ROUNDS=n SECONDS_EACH=n
	@bench/compare.sh

schema: ## write sql/schema.sql anew: the schema as all migrations together leave it
	@tests/stack/schema.sh

lint: ## clang-format, shellcheck, rooms, clang-tidy, luacheck and more; STEP=tidy for one, STEP=quick for all but tidy
	@tests/stack/lint.sh $(STEP)

format: ## rewrite the C++ sources as clang-format wants them
	@git ls-files '*.h' '*.cpp' | xargs -d '\n' clang-format -i
