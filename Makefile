# Linli (邻里). Every target is one verb of tools/linli.py, which needs only Python 3.11 or newer.

export PYTHON PORT SIZE FILE ARGS NODES SEEDS MINUTES

LINLI = for python in "$$PYTHON" python3 python3.14 python3.13 python3.12 python3.11; do \
	  if [ -n "$$python" ] && command -v "$$python" >/dev/null 2>&1; then exec "$$python" tools/linli.py $@; fi; \
	done; \
	echo "需要 Python 3.11 或更高版本 | Linli needs Python 3.11 or newer: install it, or say make PYTHON=/path/to/python3" >&2; \
	exit 2

.DEFAULT_GOAL := help
.PHONY: help run test check bench faults containers kafka reset backup restore lock

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

run: ## 启动 start Linli on 127.0.0.1 (PORT=8000 SIZE=town)
	@$(LINLI)

test: ## 测试 every test, browser included (ARGS="..." goes to pytest)
	@$(LINLI)

check: ## 检查 style, types, borders between services, licences, translations
	@$(LINLI)

bench: ## 测速 measure plans, pages, events, recovery (ARGS="events others" for parts)
	@$(LINLI)

faults: ## 故障 the city under load while its parts are killed, paused and cut off (SEEDS=1 MINUTES=1; Java and Maven needed)
	@$(LINLI)

containers: ## 容器 build the images, bring docker-compose.yml up, do the main story through it (a Docker engine needed)
	@$(LINLI)

kafka: ## 消息 run Apache Kafka on 127.0.0.1 (PORT=9092 NODES=1; Java and Maven needed)
	@$(LINLI)

reset: ## 清空 delete all data (.linli); programs stay installed
	@$(LINLI)

backup: ## 备份 write backups/linli-<time>.tar (while Linli is stopped)
	@$(LINLI)

restore: ## 恢复 replace all data from FILE=backups/....tar
	@$(LINLI)

lock: ## 锁定 renew the lock files from pyproject.toml and package.json
	@$(LINLI)
