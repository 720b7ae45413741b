"""The container that is to take a monitor's place: the inspected one with one mount changed. Pure.

Facts: Compose writes named volumes into HostConfig.Mounts and `docker run -v` into
HostConfig.Binds; ownership by Compose is labels alone (shared notes on Compose v2.26). The API of
engine 20.10 (1.41) takes one network at create; the others are connected before the start.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FOLLOWS = "org.twinbridge.follows"
"""A container with this label, of the value `messages`, may be moved."""
EPOCH = "org.twinbridge.epoch"
READ_FROM = "org.twinbridge.read-from"
"""The bridge that a person named when Compose made the container; empty if nobody did."""
CONTROLS = "org.twinbridge.controls"
"""A container with this label moves the monitors of the Compose project that it names."""
PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
ONE_OFF = "com.docker.compose.oneoff"
REPLACE = "com.docker.compose.replace"
MOUNT_POINT = "/messages"
POLICY: Any = {"Name": "unless-stopped", "MaximumRetryCount": 0}
"""The monitors' restart policy in compose.yaml, for one that a swap has quieted."""
SOCKET = "docker.sock"

_OF_THE_IMAGE = ("Hostname", "Domainname", "Image")
_OF_AN_ENDPOINT = ("IPAMConfig", "Links", "DriverOpts", "Aliases")


class Refused(Exception):
    """This container is never copied; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Copy:
    """What the engine is asked to create, and the networks that are connected after it."""

    name: str
    body: Mapping[str, Any]
    networks: Mapping[str, Mapping[str, Any]]


def volume_of(inspected: Mapping[str, Any]) -> str | None:
    """The volume at the monitors' mount point; None if there is none or it is no volume."""
    for mount in inspected.get("Mounts") or ():
        if mount["Destination"] == MOUNT_POINT and mount["Type"] == "volume":
            return str(mount["Name"])
    return None


def copy_of(inspected: Mapping[str, Any], volume: str, epoch: int) -> Copy:
    """The same container reading `volume`.

    Raises:
        Refused: it is privileged, holds the engine's socket, is not labelled for this, or its
            mounts are not what Compose makes of ours.
    """
    _refuse_strangers(inspected)
    config = {k: v for k, v in inspected["Config"].items() if k not in _OF_THE_IMAGE}
    hostname = inspected["Config"].get("Hostname", "")
    if hostname and hostname != inspected["Id"][: len(hostname)]:
        config["Hostname"] = hostname  # chosen by a person; the short id is drawn anew
    labels = dict(config.get("Labels") or {})
    labels[EPOCH] = str(epoch)
    labels[REPLACE] = inspected["Id"]
    labels.pop(READ_FROM, None)
    host = dict(inspected["HostConfig"])
    if host["RestartPolicy"]["Name"] in {"", "no"}:
        host["RestartPolicy"] = POLICY  # it was quieted for a swap that did not come to its end
    host["Mounts"], host["Binds"] = _remounted(host, volume)
    # From the image's id: its tag may have moved since, and a failover is no upgrade.
    body = config | {"Image": inspected["Image"], "Labels": labels, "HostConfig": host}
    networks = {
        name: _endpoint(inspected, endpoint)
        for name, endpoint in inspected["NetworkSettings"]["Networks"].items()
    }
    first = next(iter(networks), None)
    if first is not None:
        body["NetworkingConfig"] = {"EndpointsConfig": {first: networks[first]}}
    name = f"{labels[PROJECT]}-{labels[SERVICE]}-epoch-{epoch}"
    return Copy(name, body, {k: v for k, v in networks.items() if k != first})


def final_name(labels: Mapping[str, str]) -> str:
    """The name that Compose gives the only container of a service."""
    return f"{labels[PROJECT]}-{labels[SERVICE]}-1"


def _refuse_strangers(inspected: Mapping[str, Any]) -> None:
    name = inspected["Name"].lstrip("/")
    host = inspected["HostConfig"]
    labels = inspected["Config"].get("Labels") or {}
    if labels.get(FOLLOWS) != "messages":
        raise Refused(f"{name} does not carry the label {FOLLOWS}=messages")
    if host.get("Privileged") or host.get("CapAdd") or host.get("Devices"):
        raise Refused(f"{name} has privileges that a monitor does not need")
    modes = [
        str(host.get(key) or "") for key in ("NetworkMode", "PidMode", "IpcMode", "UsernsMode")
    ]
    if any(mode == "host" or mode.startswith("container:") for mode in modes):
        raise Refused(f"{name} shares a namespace with the host or another container")
    sources = [str(bind) for bind in host.get("Binds") or ()]
    sources += [str(mount.get("Source", "")) for mount in inspected.get("Mounts") or ()]
    if any(SOCKET in source for source in sources):
        raise Refused(f"{name} holds the engine's socket")
    declared = set(inspected["Config"].get("Volumes") or ())
    named = {mount.get("Target") for mount in host.get("Mounts") or ()}
    named |= {bind.split(":")[1] for bind in host.get("Binds") or ()}
    if anonymous := sorted(declared - named):
        raise Refused(f"{name} has a volume without a name at {', '.join(anonymous)}")


def _remounted(host: Mapping[str, Any], volume: str) -> tuple[list[dict[str, Any]], list[str]]:
    mounts = [dict(mount) for mount in host.get("Mounts") or ()]
    binds = list(host.get("Binds") or ())
    changed = 0
    for mount in mounts:
        if mount.get("Target") == MOUNT_POINT and mount.get("Type") == "volume":
            mount["Source"] = volume
            changed += 1
    for place, bind in enumerate(binds):
        source, target, *options = bind.split(":")
        if target == MOUNT_POINT and not source.startswith("/"):
            binds[place] = ":".join([volume, target, *options])
            changed += 1
    if changed != 1:
        raise Refused(f"{changed} mounts at {MOUNT_POINT}, exactly one volume expected")
    return mounts, binds


def _endpoint(inspected: Mapping[str, Any], endpoint: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: endpoint[key] for key in _OF_AN_ENDPOINT if endpoint.get(key)}
    if "Aliases" in kept:
        short = inspected["Id"][:12]
        kept["Aliases"] = [alias for alias in kept["Aliases"] if alias != short]
    return kept
