"""The acting half: one Compose project behind Docker, as seams.Engine describes it.

Every call runs in a thread and has a deadline, so that an engine that stalls delays nothing else.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

from failover.copying import CONTROLS, FOLLOWS, ONE_OFF, PROJECT, SERVICE
from failover.fights import Fights
from failover.sdk import Changed, Docker, State
from failover.seams import EngineAway, Follower, Placement, ProcessState, ProcessWord
from failover.swap import STOP_S, End, Swap, followed

log = logging.getLogger(__name__)
T = TypeVar("T")

THREADS = 12
LOOK_S = 8.0
SWAP_S = 60.0
RESTART_S = 40.0
RESTART_GRACE_S = 10
"""A bridge that can still be asked disconnects and drains within it."""
REOPEN_S = 2.0
_WORDS = {
    "running": ProcessWord.RUNNING,
    "paused": ProcessWord.FROZEN,
    "restarting": ProcessWord.RESTARTING,
}


class DockerEngine:
    """The monitors and bridges of one Compose project. Use as a context manager."""

    def __init__(
        self, base_url: str, project: str, bridges: Sequence[str], stop_s: int = STOP_S
    ) -> None:
        self._stop_s = stop_s
        self._project = project
        self._bridges = tuple(bridges)
        self._docker = Docker(base_url)
        self._threads = ThreadPoolExecutor(THREADS, "docker")
        self._fights = Fights()
        self._swapping: dict[str, threading.Lock] = {}
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._docker.__exit__()

    async def bridges(self) -> Mapping[str, ProcessState]:
        """The process of every bridge; see seams.Engine."""
        listed = await self._called(self._containers, LOOK_S)
        return {name: _process(listed, f"bridge-{name}") for name in self._bridges}

    async def followers(self) -> Sequence[Follower]:
        """Where every monitor stands; see seams.Engine."""
        return await self._called(self._followers, LOOK_S)

    async def place(self, side: str, epoch: int) -> Placement:
        """The reconcile, of all monitors at once; see seams.Engine."""
        monitors = await self._called(self._monitors, LOOK_S)
        ended = await asyncio.gather(
            *(self._swapped(one, side, epoch) for one in monitors), return_exceptions=True
        )
        for failed in ended:
            if isinstance(failed, BaseException):
                raise failed
        ends = [end for end in ended if isinstance(end, End)]
        return Placement(
            side=side,
            epoch=epoch,
            followers=tuple(await self.followers()),
            moved=tuple(end.service for end in ends if end.moved),
            troubles={end.service: end.trouble for end in ends if end.trouble},
            settling=any(end.settling for end in ends),
            gave_up=any(end.gave_up for end in ends),
        )

    async def restart(self, bridge: str) -> None:
        """Restart a bridge's container; raises EngineAway."""
        await self._called(lambda: self._restart(f"bridge-{bridge}"), RESTART_S)

    def acknowledge(self) -> None:
        """A person has spoken: what was given up is tried again."""
        self._fights.forget()

    async def events(self) -> AsyncIterator[str]:
        """Services of the project to whose containers something happens; see seams.Engine."""
        loop = asyncio.get_running_loop()
        heard: asyncio.Queue[str] = asyncio.Queue()
        ended = threading.Event()

        def listen() -> None:
            while not (ended.is_set() or self._closed.is_set()):
                try:
                    for event in self._docker.events(f"{PROJECT}={self._project}"):
                        if ended.is_set() or self._closed.is_set():
                            return
                        if service := _subject(event):
                            loop.call_soon_threadsafe(heard.put_nowait, service)
                except (EngineAway, Changed) as broken:
                    log.debug("event stream is opened anew", extra={"reason": str(broken)})
                except RuntimeError:
                    return  # the loop is closed
                ended.wait(REOPEN_S)

        threading.Thread(target=listen, name="docker events", daemon=True).start()
        try:
            while True:
                yield await heard.get()
        finally:
            ended.set()

    async def other_controllers(self, own: str) -> Sequence[str]:
        """Names of other running containers that control this project; `own` is a short id."""
        labels = [f"{CONTROLS}={self._project}"]
        listed = await self._called(lambda: self._docker.listed(labels), LOOK_S)
        return [
            one["Names"][0].lstrip("/")
            for one in listed
            if one["State"] == "running" and not one["Id"].startswith(own)
        ]

    async def _swapped(self, service: str, side: str, epoch: int) -> End:
        swap = Swap(self._docker, self._project, service, side, epoch, self._fights, self._stop_s)
        one_at_a_time = self._swapping.setdefault(service, threading.Lock())

        def run() -> End:
            # A swap that was given up for its deadline still runs in its thread.
            with one_at_a_time:
                return swap.run()

        return await self._called(run, SWAP_S)

    async def _called(self, call: Callable[[], T], limit_s: float) -> T:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(limit_s):
                return await loop.run_in_executor(self._threads, call)
        except TimeoutError:
            raise EngineAway(f"Docker did not answer within {limit_s:.0f} s") from None
        except Changed as changed:
            raise EngineAway(f"it changed while it was looked at: {changed}") from changed

    # --- in a thread ----------------------------------------------------------------------------

    def _containers(self, *labels: str) -> Sequence[State]:
        return self._docker.listed([f"{PROJECT}={self._project}", f"{ONE_OFF}=False", *labels])

    def _monitors(self) -> Mapping[str, Sequence[str]]:
        """Ids of the containers of each service that follows the messages."""
        found: dict[str, list[str]] = {}
        for one in self._containers(f"{FOLLOWS}=messages"):
            found.setdefault(one["Labels"][SERVICE], []).append(one["Id"])
        return found

    def _followers(self) -> Sequence[Follower]:
        sides = {f"{self._project}_{name}-messages": name for name in self._bridges}
        return [
            followed(self._docker, service, sides, ids)
            for service, ids in sorted(self._monitors().items())
        ]

    def _restart(self, service: str) -> None:
        ids = [one["Id"] for one in self._containers() if one["Labels"].get(SERVICE) == service]
        if len(ids) != 1:
            raise Changed(f"there are {len(ids)} containers of {service}")
        self._docker.restart(ids[0], RESTART_GRACE_S)


def project_of(base_url: str, container: str) -> str:
    """The Compose project of a container, by its id or short id: of the controller itself.

    Raises EngineAway if the engine does not answer, LookupError if Compose did not make it.
    """
    try:
        with Docker(base_url) as engine:
            labels = engine.inspected(container)["Config"]["Labels"] or {}
    except Changed:
        raise LookupError(f"there is no container {container}") from None
    if PROJECT not in labels:
        raise LookupError(f"container {container} is of no Compose project")
    return str(labels[PROJECT])


def _subject(event: State) -> str:
    """The service that an event is about; empty for the healthchecks, which are most of them."""
    if str(event.get("Action", "")).startswith("exec_"):
        return ""
    return str(event.get("Actor", {}).get("Attributes", {}).get(SERVICE, ""))


def _process(listed: Sequence[State], service: str) -> ProcessState:
    states = [one for one in listed if one["Labels"].get(SERVICE) == service]
    if not states:
        return ProcessState(ProcessWord.GONE, "there is no container of it")
    # While Compose replaces it there are two for a moment: the one that runs is the bridge.
    best = min(states, key=lambda one: one["State"] != "running")
    word = _WORDS.get(best["State"], ProcessWord.STOPPED)
    return ProcessState(word, best["Status"])
