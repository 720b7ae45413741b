"""A Compose project of stand-ins, and where its monitors stand as Docker says it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import Stack, docker

MONITORS = ("monitor-dev", "monitor-prod")
SOCKET = "unix:///var/run/docker.sock"


@dataclass(frozen=True, slots=True)
class Stand:
    """One container of a monitor."""

    name: str
    side: str
    running: bool
    epoch: str
    policy: str


def stands(stack: Stack, service: str) -> list[Stand]:
    """Every container of the service."""
    label = f"label=com.docker.compose.project={stack.project}"
    ids = docker(
        *("ps", "--all", "--quiet", "--filter", label),
        *("--filter", f"label=com.docker.compose.service={service}"),
    ).split()
    found = json.loads(docker("inspect", *ids)) if ids else []
    return [
        Stand(
            name=one["Name"].lstrip("/"),
            side=next(
                mount["Name"].removeprefix(f"{stack.project}_").removesuffix("-messages")
                for mount in one["Mounts"]
                if mount["Destination"] == "/messages"
            ),
            running=one["State"]["Status"] == "running",
            epoch=one["Config"]["Labels"].get("org.twinbridge.epoch", ""),
            policy=one["HostConfig"]["RestartPolicy"]["Name"],
        )
        for one in found
    ]


def standing(stack: Stack, service: str) -> Stand:
    """Its only container."""
    (stand,) = stands(stack, service)
    return stand


def in_place(stack: Stack, side: str) -> None:
    """Each monitor is one container, runs, has its name and policy, and reads that side."""
    for service in MONITORS:
        stand = standing(stack, service)
        assert stand.running, stand
        assert stand.side == side, stand
        assert stand.name == f"{stack.project}-{service}-1", stand
        assert stand.policy == "unless-stopped", stand


@contextmanager
def standins(project: str, **environment: str) -> Iterator[Stack]:
    """The stand-ins, up; removed at the end."""
    stack = Stack(project, (Path(__file__).with_name("compose.standins.yaml"),), environment)
    try:
        stack.compose("up", "--detach")
        yield stack
    finally:
        stack.compose("down", "--volumes", "--remove-orphans", "--timeout", "0", check=False)
