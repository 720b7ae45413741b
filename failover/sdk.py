"""Docker, by verbs: the only module that imports its SDK. Blocking, each call with a time-out.

Facts (measured on engine 20.10, API 1.41, which newer engines answer too): a create takes one
network, the others are connected after it; the SDK waits for events without any limit, so that a
connection that died would hang for ever.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import docker
import requests
import urllib3
from docker.errors import APIError, DockerException, NotFound

from failover.copying import Copy
from failover.seams import EngineAway

API_VERSION = "1.41"
CALL_S = 5
"""Seconds until a call counts as unanswered; a stop adds its own grace to it."""
SILENT_S = 60
"""Seconds until a stream of events without any counts as cut."""
_CONFLICT = 409

State = Mapping[str, Any]
"""What the engine lists or inspects."""


class Refusal(EngineAway):
    """The engine answered, and refused."""


class Changed(Exception):
    """What was to be acted on is not there, or not as it was: look again."""


class _Client(docker.APIClient):
    """The SDK's client with a limit for streams too."""

    def _set_request_timeout(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        return {**kwargs, "timeout": kwargs.get("timeout") or self.timeout}


class Docker:
    """The engine behind one socket. Use as a context manager."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        with _understood():
            self._client = self._connected(CALL_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def _connected(self, timeout_s: int) -> _Client:
        return _Client(base_url=self._base_url, version=API_VERSION, timeout=timeout_s)

    def listed(self, labels: Sequence[str]) -> list[State]:
        """Every container with all these labels, running or not."""
        with _understood():
            found: list[State] = self._client.containers(all=True, filters={"label": list(labels)})
            return found

    def inspected(self, container: str) -> State:
        """Everything that the engine knows of it; raises Changed if it is gone."""
        with _understood():
            state: State = self._client.inspect_container(container)
            return state

    def has_volume(self, name: str) -> bool:
        """Whether it exists: the engine makes an empty one of a name that does not."""
        try:
            with _understood():
                self._client.inspect_volume(name)
        except Changed:
            return False
        return True

    def create(self, copy: Copy) -> None:
        """Create it, and connect it to all its networks; it is not started."""
        with _understood():
            made = self._client.create_container_from_config(dict(copy.body), copy.name)["Id"]  # type: ignore[no-untyped-call]
            for network, endpoint in copy.networks.items():
                address = endpoint.get("IPAMConfig") or {}
                self._client.connect_container_to_network(
                    made,
                    network,
                    ipv4_address=address.get("IPv4Address"),
                    ipv6_address=address.get("IPv6Address"),
                    aliases=endpoint.get("Aliases"),
                    links=endpoint.get("Links"),
                )

    def set_policy(self, container: str, policy: Any) -> None:  # noqa: ANN401 - the API's JSON
        """Whether the engine may start it by itself."""
        with _understood():
            self._client.update_container(container, restart_policy=policy)

    def thaw(self, container: str) -> None:
        """Let a paused one go on."""
        with _understood():
            self._client.unpause(container)

    def stop(self, container: str, grace_s: int) -> None:
        """Ask it to stop, and end it after the grace; returns when it has ended."""
        with _understood():
            self._client.stop(container, timeout=grace_s)

    def start(self, container: str) -> None:
        """Start it."""
        with _understood():
            self._client.start(container)

    def restart(self, container: str, grace_s: int) -> None:
        """Stop and start it."""
        with _understood():
            self._client.restart(container, timeout=grace_s)

    def remove(self, container: str) -> None:
        """Remove it: by no force, so that nothing that runs is removed, and never its volumes."""
        with _understood():
            self._client.remove_container(container)

    def rename(self, container: str, name: str) -> None:
        """Give it a name."""
        with _understood():
            self._client.rename(container, name)

    def events(self, label: str) -> Iterator[State]:
        """What happens to containers with the label; ends or raises EngineAway when it is cut."""
        with _understood():
            client = self._connected(SILENT_S)
            try:
                yield from client.events(decode=True, filters={"type": "container", "label": label})
            finally:
                client.close()


@contextmanager
def _understood() -> Iterator[None]:
    """What the SDK raises, in our words."""
    try:
        yield
    except NotFound as gone:
        raise Changed(str(gone)) from gone
    except APIError as refused:
        if refused.status_code == _CONFLICT:
            raise Changed(str(refused)) from refused
        raise Refusal(f"Docker refused: {refused.explanation}") from refused
    except (
        DockerException,
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        OSError,
    ) as away:
        raise EngineAway(f"Docker does not answer: {type(away).__name__}") from away
