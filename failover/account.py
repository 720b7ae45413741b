"""Becomes the ordinary account of all services, with the group that may use the Docker socket.

Which group that is differs per machine, and Compose cannot ask. So the container starts as root
without any capability but changing its account, looks who owns the socket, and is root no more.
"""

import os
from pathlib import Path

ACCOUNT = 10001
SOCKET = Path("/var/run/docker.sock")


def become_ordinary(socket: Path = SOCKET) -> None:
    """Give up root for good, if we are root; without a socket no group is joined."""
    if os.geteuid() != 0:
        return
    groups = [socket.stat().st_gid] if socket.exists() else []
    os.setgroups(groups)
    os.setgid(ACCOUNT)
    os.setuid(ACCOUNT)
