#!/usr/bin/env bash
# Provides the two base images, python:3.13-slim and postgres:17: from a registry, or, where none
# answers, from Debian's packages under the same names (Debian as root). Which of the two holds is
# found in seconds, said in one line, and remembered in .local/base-images.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly python=python:3.13-slim postgres=postgres:17
readonly memory=.local/base-images
readonly patience=20 # seconds until a registry has to begin to answer

origin() { # origin IMAGE: "public", "debian", or nothing if the image is not here
  docker image inspect --format \
    '{{or (index .Config.Labels "org.twinbridge.base") "public"}}' "$1" 2>/dev/null || true
}

# A pull that has begun is waited for; one that nobody answers is not. Says on the standard
# output why it failed.
pull() {
  local log=.local/pull.log child
  docker pull "$1" >"$log" 2>&1 &
  child=$!
  for ((second = 0; second < patience; second++)); do
    grep -q 'Pulling from' "$log" && break
    kill -0 "$child" 2>/dev/null || break
    sleep 1
  done
  if ! grep -q 'Pulling from' "$log"; then
    kill "$child" 2>/dev/null || true
  fi
  if wait "$child"; then
    return 0
  fi
  tail -n 1 "$log" | cut -c 1-200
  return 1
}

refuse() {
  echo "No registry answers ($1)."
  echo "Base images can be built from Debian's packages instead, but only on Debian as root."
  echo "Missing: $python and $postgres. Nothing was changed."
  exit 1
}

build_debian() {
  [[ $(id -u) == 0 && -f /etc/debian_version ]] || refuse "$1"
  echo "Base images: built from Debian's packages, as no registry answers: $1"
  if ! command -v debootstrap >/dev/null; then
    if [[ ${CI:-} != true ]]; then
      local answer=no
      [[ -t 0 ]] && read -rp 'Install the package debootstrap for it? [y/N] ' answer
      if [[ ! $answer =~ ^[yYjJ] ]]; then
        echo "Missing: debootstrap (apt-get install debootstrap). Nothing was changed."
        exit 1
      fi
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap \
      >/dev/null
  fi
  if [[ -z $(origin "$python") ]]; then
    images/debian-base.sh "$python"
    echo "  $python: ready after ${SECONDS} s"
  fi
  if [[ -z $(origin "$postgres") ]]; then
    docker buildx build --quiet --load --build-arg "BASE=$python" --tag "$postgres" \
      images/postgres >/dev/null
    echo "  $postgres: ready after ${SECONDS} s"
  fi
  echo debian >"$memory"
}

mkdir -p .local
here="$(origin "$python") $(origin "$postgres")"
case $here in
  "public public") echo "Base images: the public ones, already here." ;;
  "debian debian") echo "Base images: built from Debian's packages, already here." ;;
  *debian*) build_debian "remembered from the images that are here" ;;
  *)
    if [[ -s $memory && $(<"$memory") == debian ]]; then
      build_debian "remembered in $memory; remove it to look again"
    elif reason=$(pull "$python" && pull "$postgres"); then
      echo "Base images: the public ones, from the registry."
      echo public >"$memory"
    else
      build_debian "$reason"
    fi
    ;;
esac
