# The two commands of the README are `make demo` and `make test`. Each does its whole set-up.
# A line with two hashes behind a target is its entry in `make help`.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

# The demo reads no .env: what stands there is meant for production.
DEMO := docker compose --env-file /dev/null -f compose.demo.yaml -p twinbridge-demo
# The ports that a stack is going to publish, and where its pages are.
PORTS := sed -n 's/^ *published: "\(.*\)"/\1/p'
UV := $(shell command -v uv || echo .local/uv/bin/uv)
RUN := $(UV) run --frozen --no-sync
# The interpreter and the certificate authorities are those of this machine.
export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS := 1
export DOCKER_BUILDKIT := 1
export COMPOSE_DOCKER_CLI_BUILD := 1

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

demo: demo-start ## two bridges, a simulated WhatsApp, and a live table of what becomes of each message
	@echo "Write at http://$$($(DEMO) port simulator 8090). The bridges: http://$$($(DEMO) port bridge-primary 8080) and http://$$($(DEMO) port bridge-backup 8080)."
	@echo "Ctrl-C leaves the table; the demo goes on until 'make demo-down'."
	@$(DEMO) logs --follow --no-log-prefix --tail 40 simulator-demo || test $$? = 130

# The second try: an engine may give the port of a replaced container free a moment too late.
demo-start: images
	@images/ports.sh twinbridge-demo $$($(DEMO) config | $(PORTS))
	@$(DEMO) up --detach || { sleep 3; $(DEMO) up --detach; }

drill: venv ## kill the demo's primary bridge while people write, and show what follows; WAIT=1 until it is all over, PROJECT=name for another stack
	@$(if $(PROJECT),:,$(MAKE) demo-start)
	@$(RUN) python -m bench.drill $(if $(WAIT),--wait) $(PROJECT)

demo-down: ## remove the demo with everything it has stored
	@$(DEMO) down --volumes --remove-orphans --timeout 10

up: images ## production: start or update it, then pair the numbers (docker compose logs -f)
	@images/ports.sh twinbridge $$(docker compose config | $(PORTS))
	@docker compose up --detach || { sleep 3; docker compose up --detach; }
	@echo "The bridges: http://$$(docker compose port bridge-primary 8080) and http://$$(docker compose port bridge-backup 8080). The QR codes are there and in: docker compose logs -f"

down: ## production: stop it; what it has stored stays
	@docker compose down

adopt: images ## make reviews of older code fit for Twinbridge; DRY_RUN=1 only shows the plan
	@docker compose run --rm database-migrate python -m database adopt $(if $(DRY_RUN),--dry-run)

import-valid-drops: images ## add the drops of a CSV file to a project's list: PROJECT="Velo Test" FILE=drops.csv
	@docker compose run --rm --no-TTY database-migrate python -m database import-valid-drops \
	  "$(PROJECT)" - --named "$(FILE)" < "$(FILE)"

import-store: images ## take over messages.db of an older bridge: DIR=…; BRIDGE=backup SESSION=1 ZONE=… DRY_RUN=1
	@bridge/takeover/run.sh "$(DIR)" $(or $(BRIDGE),primary) $(if $(DRY_RUN),--dry-run) \
	  $(if $(SESSION),--session) $(if $(ZONE),--zone $(ZONE))

pairing-code: ## production: a code of 8 characters to type on the phone; BRIDGE=backup for that bridge
	@docker compose exec --no-TTY bridge-$(or $(BRIDGE),primary) python -m bridge pairing-code

status: ## production: a line per bridge, and whether two of them hear: the reason if not
	@docker compose run --rm --no-deps --no-TTY database-migrate python -m contracts.status

failover: ## production: ask or tell the failover; DO="switch --from primary --to backup", see docs/failover.md
	@docker compose exec $$(test -t 0 || echo -T) failover python -m failover $(or $(DO),status)

alert-test: ## production: send a test message through the outbox, and say what became of it
	@docker compose exec -T alerts python -m alerts test

ack: ## production: say that you know of the faults that were told; SUBJECT=primary for some of them
	@docker compose exec -T alerts python -m alerts ack $(SUBJECT)

phone-opened: ## production: say that WhatsApp was opened on the phone of BRIDGE=primary
	@docker compose exec -T alerts python -m alerts opened $(BRIDGE)

test: images venv browser ## everything, against real parts: Postgres, the real client, the images (about 27 minutes)
	@.ci/pytest $(TESTS)

soak: images venv browser ## the long forms of the tests, hours if need be; SOAK=expression picks some
	@.ci/pytest -m soak $(if $(SOAK),-k "$(SOAK)") $(TESTS)

bench: images venv ## a table of what the stack costs beside a floor of the same run, into docs/measurements.md
	@$(RUN) python -m bench $(PARTS)

check: venv ## format, lint, types, import rules, Compose files (below 2 minutes)
	@images/machine.sh engine
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(RUN) lint-imports
	docker compose config --quiet
	DATABASE_URL=postgresql://elsewhere/twinbridge docker compose config --quiet
	$(DEMO) config --quiet

config-check: images ## say everything that is wrong in config/ and .env, without starting anything
	@docker run --rm --network none --read-only --volume $(CURDIR)/config:/config:ro \
	  $$(test -f .env && echo --env-file .env) twinbridge-database:$${TWINBRIDGE_TAG:-latest} \
	  python -m contracts.check /config

images: base ## build or renew the images, and start nothing
	@images/build.sh

base: # engine and base images, found, fetched, or (Debian as root) made
	@images/machine.sh engine
	@images/base.sh

venv: # .venv with everything that the lock names
	@images/machine.sh python
	@$(UV) sync --quiet --locked --all-extras --all-groups

browser: # Debian's Chromium, where it may be installed
	@images/machine.sh browser || echo "No Chromium: the tests that look at pages are skipped."

.PHONY: help demo demo-start drill demo-down up down adopt failover import-store import-valid-drops test soak bench check config-check images base venv alert-test ack phone-opened pairing-code browser
