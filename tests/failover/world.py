"""A world with a fake clock: bridges that live and die, a Docker that may be away, a controller.

The controller's pure half is the real one. What it keeps goes through JSON, and it can be killed
before or after it kept what it decided. Every switch and every help is written down together with
what was true in the world, which the controller could only see through its looks.
"""

import json
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from contracts.bridge_health import BridgeHealth, Ears
from contracts.entries import Entry
from contracts.failover_limits import FailoverLimits, read_failover
from contracts.health import Part, Verdict
from failover.choice import View
from failover.healing import Act
from failover.judging import Judgement, judge
from failover.looks import Look, Reply
from failover.seams import ProcessState, ProcessWord
from failover.tracks import Standing, Track, seen
from failover.trust import Mode, Trust

START = 1_700_000_000.0
NAMES = ("primary", "backup", "third", "fourth")


def limits() -> FailoverLimits:
    """The numbers that a stack.yaml without a section has."""
    return read_failover(Entry("stack.yaml", "failover", {}, []))


class State(StrEnum):
    """What is true of a bridge."""

    FIT = "fit"
    GONE = "gone"
    STOPPED = "stopped by a person"
    HUNG = "hung"
    FROZEN = "paused by a person"
    BROKEN = "answers 500"
    OFFLINE = "disconnected"
    SILENT = "server silent"
    DEAF = "deaf"
    LOGGED_OUT = "logged out"
    BANNED = "banned"


HELPABLE = {State.HUNG, State.BROKEN, State.SILENT, State.DEAF}
"""What a controller may help; all others are well, or for a person, or for the restart policy."""


@dataclass
class Bridge:
    """One bridge as it is."""

    state: State = State.FIT
    since: float = START
    connected_at: float | None = START - 3_600
    heard_at: float | None = START - 60
    lacks: int = 0
    publishes: bool = True
    stubborn: bool = False
    """No help helps."""

    def turn(self, state: State, now: float) -> None:
        """Become something else."""
        if state is self.state:
            return
        self.state, self.since = state, now
        off = state not in {State.FIT, State.DEAF, State.HUNG, State.FROZEN, State.BROKEN}
        if off:
            self.connected_at = None
        elif self.connected_at is None:
            self.connected_at = now

    def look(self, now: float, docker: bool) -> Look:
        """What can be seen of it."""
        process = ProcessState(
            {
                State.GONE: ProcessWord.RESTARTING,
                State.STOPPED: ProcessWord.STOPPED,
                State.FROZEN: ProcessWord.FROZEN,
            }.get(self.state, ProcessWord.RUNNING)
        )
        known = process if docker else None
        match self.state:
            case State.GONE | State.STOPPED:
                return Look(now, known, Reply.REFUSED)
            case State.HUNG | State.FROZEN:
                return Look(now, known, Reply.TIMED_OUT)
            case State.BROKEN:
                return Look(now, known, Reply.GARBLED)
            case _:
                return Look(now, known, Reply.ANSWERED, self._health(now))

    def _health(self, now: float) -> BridgeHealth:
        ok = self.state is State.FIT
        deaf = self.state is State.DEAF
        word = "connected" if ok or deaf else str(self.state)
        parts = (
            Part("whatsapp", ok or deaf, word, "as the world says"),
            Part("hearing", not deaf, "deaf" if deaf else "hearing", "as the world says"),
            Part("publishing", self.publishes, "current", "as the world says"),
        )
        connected = None if self.connected_at is None else now - self.connected_at
        age = None if self.heard_at is None else now - self.heard_at
        ears = Ears(connected, connected is not None, age, self.lacks)
        return BridgeHealth("x", Verdict(ok, "ok" if ok else "down", parts), ears)


@dataclass(frozen=True)
class Moved:
    """An automatic switch, and what was true when it was made."""

    at: float
    source: str
    target: str
    states: dict[str, State]
    since: dict[str, float]
    lacks: dict[str, int]
    heard: dict[str, float | None]
    connected: dict[str, float | None]
    docker_since: float
    mode: Mode


@dataclass(frozen=True)
class Helped:
    """An act of help, and what was true."""

    at: float
    bridge: str
    act: Act
    state: State
    docker: bool
    mode: Mode


@dataclass
class World:
    """Bridges, Docker and a controller; `turn` lets time pass until the next round of looks."""

    names: tuple[str, ...]
    now: float = START
    docker: bool = True
    docker_since: float = START - 3_600
    late: bool = False
    limits: FailoverLimits = field(default_factory=limits)
    moves: list[Moved] = field(default_factory=list)
    helps: list[Helped] = field(default_factory=list)
    kept: dict[str, Any] | None = None
    last: Judgement | None = None

    def __post_init__(self) -> None:
        self.bridges = {name: Bridge() for name in self.names}
        self.start()

    def start(self) -> None:
        """A controller starts, from what was kept."""
        self.started_at = self.now
        self.tracks = {name: Track() for name in self.names}
        self.trust = Trust.recalled(self.kept, self.names, "auto", self.now)

    @property
    def side(self) -> str:
        """Whom the monitors were last durably told to read."""
        return self.trust.side

    def keep(self, trust: Trust) -> None:
        """Durably, as a person's verb does it too."""
        self.kept = json.loads(json.dumps(trust.to_json()))
        self.trust = trust

    def away(self, docker: bool) -> None:
        """Docker comes or goes."""
        if docker is not self.docker:
            self.docker, self.docker_since = docker, self.now

    def turn(self, killed: str = "") -> None:
        """One round: look, judge, keep, act. `killed` is "before" or "after" keeping."""
        suspect = any(track.word is Standing.SUSPECT for track in self.tracks.values())
        self.now += (self.limits.suspect_probe_ms if suspect else self.limits.probe_ms) / 1000
        for name, bridge in self.bridges.items():
            look = bridge.look(self.now, self.docker)
            if self.late:
                look = replace(look, blind="late")
            self.tracks[name] = seen(self.tracks[name], look, self.limits)
        view = View(self.trust, self.tracks, self.now, self.started_at, self.limits)
        self.last = judge(view)
        if killed == "before":
            self.start()
            return
        before = self.trust
        if self.last.trust != before:
            self.keep(self.last.trust)
        if self.trust.side != before.side:
            self._note(before)
        if killed == "after":
            self.start()
            return
        self._help(self.last, before)

    def turns(self, seconds: float) -> None:
        """Let this much time pass."""
        until = self.now + seconds
        while self.now < until:
            self.turn()

    def rests(self, seconds: float) -> None:
        """Let much time pass, looked at every twenty seconds instead of every two."""
        usual, self.limits = self.limits, replace(self.limits, probe_ms=20_000)
        self.turns(seconds)
        self.limits = usual

    def _note(self, before: Trust) -> None:
        each = self.bridges.items()
        self.moves.append(
            Moved(
                at=self.now,
                source=before.side,
                target=self.trust.side,
                states={name: bridge.state for name, bridge in each},
                since={name: bridge.since for name, bridge in each},
                lacks={name: bridge.lacks for name, bridge in each},
                heard={name: bridge.heard_at for name, bridge in each},
                connected={name: bridge.connected_at for name, bridge in each},
                docker_since=self.docker_since if self.docker and not self.late else self.now,
                mode=before.mode,
            )
        )

    def _help(self, judgement: Judgement, before: Trust) -> None:
        act, name = judgement.help.act, judgement.help.bridge
        if act is None:
            return
        bridge = self.bridges[name]
        self.helps.append(Helped(self.now, name, act, bridge.state, self.docker, before.mode))
        helps = act is Act.RECONNECT and bridge.state in {State.DEAF, State.SILENT}
        if (helps or act is Act.RESTART) and not bridge.stubborn:
            bridge.turn(State.OFFLINE, self.now)
            bridge.turn(State.FIT, self.now)
            bridge.lacks = 0
