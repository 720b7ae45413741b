"""The controller at work: real questions over HTTP, decisions kept before anything acts."""

import asyncio
import socket
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from failover.api import facts, served
from failover.health import judge
from failover.looks import Reply, Sign, sign
from failover.observing import Observer
from failover.seams import Follower, ProcessState, ProcessWord
from failover.tracks import Standing
from failover.trust import Mode
from failover.verbs import change
from tests.failover.parts import (
    TOKEN,
    AnsweringBridge,
    RecordingEngine,
    RecordingMemory,
    brief,
    working,
)
from tests.failover.world import State

PATIENCE_S = 60


async def until(true: Callable[[], bool]) -> None:
    """Wait for it."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.02)


async def test_a_bridge_that_is_gone_is_left_and_the_decision_was_kept_first() -> None:
    """The monitors are placed by the side and the epoch that the memory has."""
    async with working() as parts:
        await until(lambda: parts.controller.tracks["backup"].word is Standing.UP)
        parts.bridges["primary"].bridge.turn(State.BROKEN, 0)
        parts.engine.hints.put_nowait("bridge-primary")
        await until(lambda: parts.engine.placed == [("backup", 2)])
        kept = parts.memory.trust
        assert kept is not None
        assert (kept["side"], kept["epoch"]) == ("backup", 2)
        (switch,) = [line for line in parts.memory.lines if line.what == "switch"]
        assert switch.evidence["bridges"]["primary"]["word"] == "down"


async def test_what_cannot_be_kept_is_not_done() -> None:
    """A disk that is full stops deciding, loudly, and not in the middle of a swap."""
    async with working() as parts:
        await until(lambda: parts.controller.tracks["primary"].word is Standing.UP)
        parts.memory.full = True
        parts.bridges["primary"].bridge.turn(State.BROKEN, 0)
        await until(lambda: bool(parts.controller.memory_trouble))
        assert parts.controller.trust.side == "primary"
        parts.memory.full = False
        await until(lambda: parts.engine.placed == [("backup", 2)])


async def test_docker_away_is_no_reason_for_anything() -> None:
    """A bridge that answers 500 while Docker is away is not seen, and is left when it is back."""
    async with working() as parts:
        await until(lambda: parts.controller.tracks["backup"].word is Standing.UP)
        parts.engine.away = True
        await until(lambda: bool(parts.controller.observer.docker_trouble))
        parts.bridges["primary"].bridge.turn(State.BROKEN, 0)
        await until(lambda: parts.controller.tracks["primary"].word is Standing.UNKNOWN)
        assert parts.controller.tracks["backup"].word is Standing.UP
        assert parts.controller.trust.side == "primary"
        parts.engine.away = False
        await until(lambda: parts.engine.placed == [("backup", 2)])


async def test_a_deaf_bridge_is_told_to_reconnect_with_the_token_of_the_stack() -> None:
    """At once; when it is fit again nobody restarts it."""
    async with working(numbers=replace(brief(), restart_after_s=60)) as parts:
        await until(lambda: parts.controller.tracks["backup"].word is Standing.UP)
        parts.bridges["backup"].bridge.turn(State.DEAF, 0)
        await until(lambda: parts.bridges["backup"].reconnects == [f"Bearer {TOKEN}"])
        await until(lambda: not [r for r in parts.controller.trust.rounds if not r.over])
        assert parts.engine.restarted == []
        assert "help" in parts.memory.happened


async def test_one_that_answers_no_more_is_restarted_and_then_a_person_is_called() -> None:
    """Each step once; the history has all three."""
    async with working() as parts:
        await until(lambda: parts.controller.tracks["backup"].word is Standing.UP)
        parts.bridges["backup"].bridge.stubborn = True
        parts.bridges["backup"].bridge.turn(State.BROKEN, 0)
        await until(lambda: parts.memory.happened.count("help") == 3)
        assert len(parts.bridges["backup"].reconnects) == 1
        assert parts.engine.restarted == ["backup"]
        judged = judge(facts(parts.controller))
        assert [part.word for part in judged.parts if not part.ok] == ["beyond help"]


async def test_a_controller_that_returns_goes_on_from_what_was_kept() -> None:
    """Killed after it decided and before it placed: the next one places."""
    memory, engine = RecordingMemory(), RecordingEngine(("primary", "backup"))
    async with working(memory=memory, engine=engine) as parts:
        await until(lambda: parts.controller.tracks["backup"].word is Standing.UP)
        engine.away = True
        wanted = {"from": "primary", "to": "backup"}
        await parts.controller.decided(change("switch", wanted))
        assert engine.placed == []
    engine.away = False
    async with working(memory=memory, engine=engine) as parts:
        await until(lambda: engine.placed == [("backup", 2)])
        assert parts.controller.trust.by_hand


async def test_read_from_of_a_person_is_adopted_as_a_pin_once() -> None:
    """With the failover away somebody moved the monitors; resume releases it for good."""
    engine = RecordingEngine(("primary", "backup"))
    pinned = Follower(
        "monitor-prod", "backup", 0, running=True, pinned_to="backup", container="c0ffee"
    )
    engine.standing = [pinned]
    async with working(engine=engine) as parts:
        await until(lambda: parts.controller.trust.mode is Mode.PINNED)
        assert parts.controller.trust.side == "backup"
        assert engine.placed == []
        await parts.controller.decided(change("resume", {}))
        await until(lambda: parts.controller.placement is not None)
        for _ in range(3):
            parts.controller.placement = None
            await until(lambda: parts.controller.placement is not None)
        assert parts.controller.trust.mode is Mode.AUTO


async def test_a_pause_observes_and_says_what_it_would_have_done() -> None:
    """Nothing is moved; the sentence is in the history."""
    async with working() as parts:
        await until(lambda: parts.controller.tracks["backup"].word is Standing.UP)
        await parts.controller.decided(change("pause", {"for_s": 3_600}))
        parts.bridges["primary"].bridge.turn(State.BROKEN, 0)
        await until(lambda: "paused" in parts.memory.happened)
        said = next(line for line in parts.memory.lines if line.what == "paused")
        assert "would have switched to backup" in said.sentence
        assert parts.engine.placed == []
        await parts.controller.decided(change("resume", {}))
        assert parts.engine.acknowledged == 2, "a fight that was given up is begun anew"
        await until(lambda: parts.engine.placed == [("backup", 2)])


async def test_a_stopped_process_is_down_although_its_name_leads_nowhere() -> None:
    """Docker's word beside the silence decides."""
    async with working() as parts:
        await until(lambda: parts.controller.tracks["backup"].word is Standing.UP)
        parts.bridges["primary"].bridge.turn(State.BROKEN, 0)
        parts.engine.processes["primary"] = ProcessState(ProcessWord.GONE, "no container")
        await until(lambda: parts.controller.trust.side == "backup")
        assert "gone" in parts.controller.trust.reason


async def test_a_name_that_leads_nowhere_is_not_a_bridge_that_is_down() -> None:
    """It says something about a resolver; the process runs, as far as Docker knows."""
    engine = RecordingEngine(("primary",))
    urls = {"primary": "http://bridge-primary.invalid:8080"}
    async with Observer(urls, engine, TOKEN, 5, 60) as observer:
        looks = await observer.looks()
    assert looks["primary"].reply is Reply.NAMELESS
    assert sign(looks["primary"]) is Sign.UNKNOWN


async def test_a_lookup_that_hangs_keeps_nobody_from_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The name of a container that has ended may lead nowhere for ten seconds, every time."""
    hanging, begun = threading.Event(), []

    def look_up(host: str, port: int, *_: int) -> list[object]:
        begun.append(host)
        if host == "bridge-primary":
            hanging.wait(PATIENCE_S)
            raise OSError("nowhere")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    engine = RecordingEngine(("primary", "backup"))
    async with served(AnsweringBridge("backup").application(), "127.0.0.1", 0) as port:
        urls = {"primary": "http://bridge-primary:1", "backup": f"http://bridge-backup:{port}"}
        async with Observer(urls, engine, TOKEN, 2, 60) as observer:
            monkeypatch.setattr(socket, "getaddrinfo", look_up)
            for _ in range(3):
                looks = await observer.looks()
                assert looks["backup"].reply is Reply.ANSWERED
                assert looks["primary"].reply is Reply.NAMELESS
            assert begun.count("bridge-primary") == 1
            hanging.set()
