#!/usr/bin/env bash
# Looks whether this machine has what the stack needs, and says exactly what is missing.
#
#   images/machine.sh engine     Docker engine, Compose v2, buildx: for `make demo`
#   images/machine.sh python     Python with venv, uv, libmagic: for `make check`
#   images/machine.sh browser    Chromium, in which `make test` looks at pages; they are skipped without
#
# Debian as root: what is missing is installed when CI=true, or after a yes on the terminal
# (a browser only when CI=true). Everywhere else nothing is changed.
set -euo pipefail

readonly engine_wanted=20.10 compose_wanted=2.20 python_wanted=3.11 uv_version=0.13.9
readonly plugins=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins
missing=() # what, in words
packages=() # of this Debian; a|b is the first it has, and a| is a or nothing
newer=() # of the Debian that first had Compose v2 and buildx: suite trixie

at_least() { # at_least WANTED FOUND
  [[ $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]
}

may_install() {
  [[ $(id -u) == 0 && -f /etc/debian_version ]] && command -v apt-get >/dev/null
}

number() { grep -oE '[0-9]+(\.[0-9]+)+' <<<"$1" | head -n 1 || true; }

look_for_engine() {
  local found
  if ! command -v docker >/dev/null; then
    missing+=("Docker engine >= $engine_wanted (no docker command)")
    packages+=(docker.io "docker-cli|")
  fi
  found=$(number "$(docker compose version 2>/dev/null || true)")
  if ! at_least "$compose_wanted" "${found:-0}"; then
    missing+=("Docker Compose >= $compose_wanted (found ${found:-none})")
    newer+=(docker-compose)
  fi
  found=$(number "$(docker buildx version 2>/dev/null | sed 's/^[^ ]* //' || true)")
  if [[ -z $found ]]; then
    missing+=("Docker buildx (found none)")
    newer+=(docker-buildx)
  fi
}

look_for_python() {
  local found
  found=$(number "$(python3 --version 2>/dev/null || true)")
  if ! at_least "$python_wanted" "${found:-0}"; then
    missing+=("Python >= $python_wanted (found ${found:-none})")
    packages+=(python3 python3-venv)
  elif ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    missing+=("Python's venv")
    packages+=(python3-venv)
  fi
  # neonize's client, which the tests run on this machine too, asks it for the type of a file.
  if [[ $(uname) == Linux && $(PATH=$PATH:/sbin ldconfig -p) != *libmagic.so.1* ]]; then
    missing+=("libmagic (libmagic.so.1)")
    packages+=("libmagic1t64|libmagic1")
  fi
}

# A browser is not asked for: without one, the tests that need it say that they were skipped.
look_for_browser() {
  if ! command -v chromium >/dev/null && [[ ${CI:-} == true ]] && may_install; then
    missing+=("Chromium")
    packages+=(chromium)
  fi
}

ask() {
  ((${#missing[@]})) || return 0
  echo "Missing on this machine:"
  printf '  - %s\n' "${missing[@]}"
  if ! may_install; then
    echo "Nothing was changed. Please install it, then run the same command again."
    echo "(On Debian, root can let this script do it: CI=true, or a yes on the terminal.)"
    exit 1
  fi
  [[ ${CI:-} == true ]] && return 0
  local answer=no
  if [[ -t 0 ]]; then
    read -rp "Install from Debian's packages (${packages[*]} ${newer[*]})? [y/N] " answer
  fi
  if [[ ! $answer =~ ^[yYjJ] ]]; then
    echo "Nothing was changed. On a terminal you are asked; with CI=true before the command it is installed."
    exit 1
  fi
}

# The plugins of Debian 13 need nothing but a C library, so that they run on Debian 12 as well.
# They are only unpacked: this Debian's own packages stay as they are.
unpack_newer() {
  local work mirror
  work=$(mktemp -d --tmpdir twinbridge-apt.XXXXXX)
  mirror=$(grep -hoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list \
    /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null | head -n 1 | tr -d ' ' || true)
  mkdir -p "$work"/{lists,archives}/partial "$plugins"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
    "${mirror:-http://deb.debian.org/debian} trixie main" >"$work/sources.list"
  local apt=(apt-get -qq -o APT::Sandbox::User=root
    -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=-
    -o Dir::State::lists="$work/lists" -o Dir::Cache::archives="$work/archives"
    -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=)
  "${apt[@]}" update
  (cd "$work" && "${apt[@]}" download "$@" >/dev/null)
  local package
  for package in "$work"/*.deb; do
    dpkg -x "$package" "$work/tree"
  done
  install -m 755 "$work"/tree/usr/libexec/docker/cli-plugins/* "$plugins/"
  rm -rf "$work"
}

install_packages() {
  local entry name chosen=()
  apt-get update -qq
  for entry in "$@"; do
    for name in ${entry//|/ }; do
      if apt-cache show "$name" >/dev/null 2>&1; then
        chosen+=("$name")
        break
      fi
    done
  done
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${chosen[@]}" \
    >/dev/null
}

install_missing() {
  ((${#missing[@]})) || return 0
  ((${#packages[@]} == 0)) || install_packages "${packages[@]}"
  ((${#newer[@]} == 0)) || unpack_newer "${newer[@]}"
  echo "Installed: ${packages[*]%|*} ${newer[*]}"
}

answer_of_engine() { docker version --format '{{.Server.Version}}' 2>&1; }

check_engine_runs() {
  local version
  if ! version=$(answer_of_engine) && may_install && [[ $version == *"daemon running"* ]]; then
    # A container or a fresh installation has no service manager that would have started it.
    service docker start >/dev/null 2>&1 || true
    for _ in {1..20}; do
      version=$(answer_of_engine) && break
      sleep 0.5
    done
  fi
  if ! answer_of_engine >/dev/null; then
    echo "The Docker engine does not answer: $version"
    echo "Start it, or let this account use it (group docker), then run the same command again."
    exit 1
  fi
  if ! at_least "$engine_wanted" "$(number "$version")"; then
    echo "The Docker engine is $version; the stack needs >= $engine_wanted. Nothing was changed."
    exit 1
  fi
}

provide_uv() {
  command -v uv >/dev/null && return 0
  [[ -x .local/uv/bin/uv && $(.local/uv/bin/uv --version) == *" $uv_version"* ]] && return 0
  python3 -m venv .local/uv
  # An older pip brings its own authorities, and would not know those of this machine.
  if [[ -z ${PIP_CERT:-} && -f /etc/ssl/certs/ca-certificates.crt ]]; then
    export PIP_CERT=/etc/ssl/certs/ca-certificates.crt
  fi
  .local/uv/bin/pip install -q --disable-pip-version-check "uv==$uv_version"
}

# Only the one program: the package would start a server. Without it a few tests are skipped.
provide_promtool() {
  if command -v promtool >/dev/null || [[ -x .local/bin/promtool ]]; then return 0; fi
  if [[ ${CI:-} != true ]] || ! may_install; then return 0; fi
  local work
  work=$(mktemp -d --tmpdir twinbridge-promtool.XXXXXX)
  if (cd "$work" && apt-get update && apt-get download prometheus && dpkg -x ./*.deb tree) \
    >"$work/log" 2>&1; then
    install -D -m 755 "$work/tree/usr/bin/promtool" .local/bin/promtool
  else
    echo "promtool could not be fetched: the rules of observability/ are not tested here."
  fi
  rm -rf "$work"
}

cd "$(dirname "$0")/.."
case ${1:-} in
  engine)
    look_for_engine
    ask
    install_missing
    check_engine_runs
    ;;
  python)
    look_for_python
    ask
    install_missing
    provide_uv
    provide_promtool
    ;;
  browser)
    look_for_browser
    ask
    install_missing
    ;;
  *)
    echo "usage: images/machine.sh engine|python|browser" >&2
    exit 2
    ;;
esac
