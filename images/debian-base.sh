#!/usr/bin/env bash
# Builds an image with the contract of python:3.13-slim from Debian's own packages, for
# machines that reach a Debian mirror but no image registry. Needs root on Debian.
#
#   images/debian-base.sh TAG
#
# The label org.twinbridge.base=debian tells it from the public image of the same name.
set -euo pipefail

readonly tag=${1:?usage: images/debian-base.sh TAG}
readonly suite=trixie
readonly certificates=/usr/local/share/ca-certificates

# The mirror of this machine, so that a company's own mirror is used too.
mirror=$(grep -hoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list \
  /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null | head -n 1 | tr -d ' ' || true)
readonly mirror=${mirror:-http://deb.debian.org/debian}
readonly security=${mirror%/}-security

# Outside the checkout: the tree holds device nodes and files of root.
tree=$(mktemp -d --tmpdir twinbridge-base.XXXXXX)
readonly tree
# In memory where there is enough of it: dpkg waits for the disk after each of its files.
if (($(awk '$1 == "MemAvailable:" {print $2}' /proc/meminfo) > 2000000)); then
  mount -t tmpfs -o size=1g,mode=755 twinbridge-base "$tree" 2>/dev/null || true
fi
remove_tree() {
  umount "$tree" 2>/dev/null || true
  rm -rf --one-file-system "$tree"
}
trap remove_tree EXIT

chmod 755 "$tree"
if ! debootstrap --variant=minbase \
  --include=ca-certificates,netbase,python3,python3-venv,tzdata \
  "$suite" "$tree" "$mirror" >"$tree.log" 2>&1; then
  tail -n 20 "$tree.log" >&2
  echo "images/debian-base.sh: debootstrap from $mirror failed, see $tree.log" >&2
  exit 1
fi
rm -f "$tree.log"

# The public image says "python"; Debian only "python3".
ln -s /usr/bin/python3 "$tree/usr/local/bin/python"

# An authority that this machine trusts must be trusted before the first download of a build.
if compgen -G "$certificates/*.crt" >/dev/null; then
  cp "$certificates"/*.crt "$tree$certificates/"
  chroot "$tree" update-ca-certificates >/dev/null 2>&1
fi

printf 'deb %s %s main\n' "$mirror" "$suite" "$mirror" "$suite-updates" \
  "$security" "$suite-security" >"$tree/etc/apt/sources.list"
cat >"$tree/etc/dpkg/dpkg.cfg.d/slim" <<'SLIM'
path-exclude /usr/share/doc/*
path-exclude /usr/share/man/*
path-exclude /usr/share/locale/*
SLIM
# Services may not be started while a package is installed into an image.
printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
chmod 755 "$tree/usr/sbin/policy-rc.d"
rm -rf "$tree"/usr/share/{doc,man,locale}/* "$tree"/var/{lib/apt/lists,cache/apt,log}/* \
  "$tree/etc/hostname" "$tree/etc/resolv.conf"
mkdir -p "$tree/var/lib/apt/lists/partial" "$tree/var/cache/apt/archives/partial"

tar -C "$tree" --numeric-owner -c . | docker import \
  --change 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' \
  --change 'ENV LANG=C.UTF-8' \
  --change 'CMD ["python3"]' \
  --change 'LABEL org.twinbridge.base=debian' \
  --message "Debian $suite, built by images/debian-base.sh" - "$tag" >/dev/null
