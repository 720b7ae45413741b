#!/usr/bin/env bash
# Says who holds a port that a stack is about to publish on 127.0.0.1, before Docker fails on it.
#
#   images/ports.sh PROJECT PORT...      PROJECT's own containers may hold them
set -euo pipefail

readonly project=$1
shift
taken=no
for port in "$@"; do
  holder=$(docker ps --filter "publish=$port" \
    --format '{{.Names}} {{.Label "com.docker.compose.project"}}' | head -n 1)
  stack=${holder#* }
  if [[ -n $holder && $stack == "$project" ]]; then
    continue
  elif [[ -n $holder ]]; then
    echo "Port $port of 127.0.0.1 is taken by the container ${holder%% *}${stack:+ of the stack \"$stack\"}."
    taken=yes
  elif (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "Port $port of 127.0.0.1 is taken by a program outside Docker."
    taken=yes
  fi
done
if [[ $taken == yes ]]; then
  echo "\"$project\" was not started, and nothing was stopped. Stop the other one, or choose other" \
    "ports: PRIMARY_PORT, BACKUP_PORT, SIMULATOR_PORT."
  exit 1
fi
