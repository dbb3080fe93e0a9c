# Each target is one script, so that it can be read, and run, without make.
.PHONY: help demo cluster test test-long check bench load web
.DEFAULT_GOAL := help

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: ## set up, build, serve on 127.0.0.1:8080 and package a clip (VIDEO= PORT= DATA=)
	@scripts/demo.sh

cluster: ## the set of docker/compose.yaml as plain processes on 127.0.0.1:8080, until Ctrl-C (PORT= DATA=)
	@scripts/cluster.sh

test: ## set up and pass all tests (DASH_XSD= checks MPDs against the schema)
	@scripts/test.sh

test-long: ## the long rows, on top of those of test: films of every kind, of two hours, in a browser, uploads of 10 GiB, 20 kills, every fault of a cluster, every lie of a plugin, fresh systems, more cases
	@scripts/test-long.sh

check: ## formatting, lints, documentation and house rules
	@scripts/check.sh

bench: ## print each figure beside its bound, write docs/BENCHMARKS.md; exit 1 on a miss
	@scripts/bench.sh

load: ## viewers by the dozen, with k6, against a fresh server, or LOAD_URL= LOAD_VIDEO= (loadtest/README.md)
	@scripts/load.sh

web: ## build the page that the origin embeds
	@scripts/web.sh
