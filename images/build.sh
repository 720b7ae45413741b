#!/usr/bin/env bash
# Builds or renews the image of every service; a second when nothing has changed. Always for the
# project "twinbridge", so that demo and tests run the very images of production: Compose labels an
# image with the project that built it. Reads no .env.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .local
readonly log=.local/build.log

build() {
  docker compose --env-file /dev/null -p twinbridge -f "$1" build --progress plain "${@:2}"
}

if ! { build compose.yaml && build compose.demo.yaml simulator; } >"$log" 2>&1; then
  tail -n 40 "$log" >&2
  echo "images/build.sh: a build failed; the whole log is $log" >&2
  exit 1
fi
echo "Images: ready after $SECONDS s."
