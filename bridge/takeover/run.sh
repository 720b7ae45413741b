#!/usr/bin/env bash
# run.sh DIRECTORY BRIDGE [--dry-run] [--session] [--zone ZONE]: takes over what an older bridge has
# stored in DIRECTORY into the store of BRIDGE (primary or backup). Refuses while a container of the
# old bridge could still use the directory; what the kernel proves, bridge/takeover/__main__.py says.
set -euo pipefail

readonly directory=$(realpath -e -- "$1") bridge=$2
shift 2
cd "$(dirname "$0")/../.."

# Whatever a running or restarting container mounts that is the directory, inside it or around it.
users() {
  docker ps --quiet --no-trunc | xargs -r docker inspect --format \
    '{{$name := .Name}}{{range .Mounts}}{{$name}} {{.Source}}{{println}}{{end}}' |
    while read -r name source; do
      if [[ -n ${source:-} && ($directory/ == "$source"/* || $source/ == "$directory"/*) ]]; then
        echo "${name#/}"
      fi
    done | sort -u
}

names=$(users)
if [[ -n $names && " $* " != *" --dry-run "* ]]; then
  echo "Nothing was taken over: $directory is mounted in running containers: ${names//$'\n'/, }." >&2
  echo "Stop them first (docker stop), and do not start them again." >&2
  exit 1
fi

IMPORT_DIRECTORY=$directory exec docker compose -f compose.yaml -f bridge/takeover/compose.yaml \
  run --rm --no-deps --no-TTY "bridge-$bridge" \
  python -m bridge.takeover /import --shown-as "$directory" "$@"
