"""Monitors are moved on a real engine, and Compose keeps owning them: with stand-ins."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from failover.engine import DockerEngine, project_of
from failover.seams import EngineAway, Placement, ProcessWord
from tests.conftest import Stack, docker
from tests.failover.stalling import stalling
from tests.failover.standins import MONITORS, SOCKET, in_place, standing, standins, stands

pytestmark = pytest.mark.timeout(300)
BRIDGES = ("primary", "backup")


@pytest.fixture(scope="module")
def stack(run_id: str) -> Iterator[Stack]:
    """The stand-ins of this module; each test begins by placing them where it wants them."""
    with standins(f"{run_id}-standins") as started:
        yield started


@pytest.fixture
def engine(stack: Stack) -> Iterator[DockerEngine]:
    """The engine under test."""
    with DockerEngine(SOCKET, stack.project, BRIDGES, stop_s=2) as made:
        yield made


async def placed(engine: DockerEngine, side: str, epoch: int, within_s: float = 90) -> Placement:
    """Ask as the controller does, until everything stands."""
    deadline = time.monotonic() + within_s
    while not (placement := await engine.place(side, epoch)).done:
        assert time.monotonic() < deadline, placement
        await asyncio.sleep(0.2)
    return placement


async def test_both_monitors_move_and_compose_still_owns_them(
    stack: Stack, engine: DockerEngine
) -> None:
    """Names, policies, networks, environment and image stay; the epoch is a label; for Compose
    nothing has changed.
    """
    await placed(engine, "primary", 1)
    before = {service: stack.inspect(service) for service in MONITORS}
    placement = await placed(engine, "backup", 2)

    in_place(stack, "backup")
    assert set(placement.moved) <= set(MONITORS)
    assert [(one.service, one.side, one.running) for one in placement.followers] == [
        ("monitor-dev", "backup", True),
        ("monitor-prod", "backup", True),
    ]
    for service in MONITORS:
        assert standing(stack, service).epoch == "2"
        after = stack.inspect(service)
        assert after["Image"] == before[service]["Image"]
        assert after["Config"]["Env"] == before[service]["Config"]["Env"]
        networks = after["NetworkSettings"]["Networks"]
        assert set(networks) == set(before[service]["NetworkSettings"]["Networks"])
        (network,) = networks.values()
        assert service in network["Aliases"]
        assert before[service]["Id"][:12] not in network["Aliases"]
    kept = {service: stack.container(service) for service in MONITORS}
    again = await engine.place("backup", 2)
    assert again.done
    assert again.moved == ()
    assert {service: stack.container(service) for service in MONITORS} == kept


@pytest.mark.parametrize(
    "undoing",
    [
        [("up", "--detach", "--force-recreate", *MONITORS)],
        [("down", "--timeout", "0"), ("up", "--detach")],
    ],
    ids=["force-recreate", "down and up"],
)
async def test_what_compose_undoes_is_done_again(
    stack: Stack, engine: DockerEngine, undoing: list[tuple[str, ...]]
) -> None:
    """After Compose has finished, the monitors are brought back to where they should read."""
    await placed(engine, "backup", 2)
    for command in undoing:
        await asyncio.to_thread(stack.compose, *command)
    await placed(engine, "backup", 2)

    in_place(stack, "backup")


async def test_a_volume_that_does_not_exist_is_refused(stack: Stack, engine: DockerEngine) -> None:
    """Nothing is stopped, no empty volume is made, and the trouble names the volume."""
    await placed(engine, "primary", 3)
    before = {service: stack.container(service) for service in MONITORS}
    placement = await engine.place("nowhere", 4)

    assert set(placement.troubles) == set(MONITORS)
    assert f"no volume {stack.project}_nowhere-messages" in placement.troubles["monitor-prod"]
    in_place(stack, "primary")
    assert {service: stack.container(service) for service in MONITORS} == before
    volumes = docker("volume", "ls", "--quiet", "--filter", f"name={stack.project}_nowhere")
    assert volumes == ""


async def test_a_frozen_monitor_is_moved_all_the_same(stack: Stack, engine: DockerEngine) -> None:
    """One is paused by Docker, the other's process is stopped: both end, and neither comes back."""
    await placed(engine, "primary", 5)
    paused, stopped = (stack.container(service) for service in MONITORS)
    docker("pause", paused)
    os.kill(int(docker("inspect", "--format", "{{.State.Pid}}", stopped)), signal.SIGSTOP)
    await placed(engine, "backup", 6)

    in_place(stack, "backup")


async def test_a_person_who_starts_them_elsewhere_is_noticed(
    stack: Stack, engine: DockerEngine
) -> None:
    """READ_FROM shows as a pin on the very containers that Compose made, and on no copy of them."""
    await placed(engine, "primary", 7)
    pinned = Stack(stack.project, stack.files, {"READ_FROM": "backup"})
    await asyncio.to_thread(pinned.compose, "up", "--detach", *MONITORS)

    in_place(stack, "backup")
    followers = await engine.followers()
    assert [one.pinned_to for one in followers] == ["backup", "backup"]
    assert {one.container for one in followers} == {stack.container(one) for one in MONITORS}
    assert (await placed(engine, "backup", 8)).moved == ()
    await placed(engine, "primary", 9)
    assert [one.pinned_to for one in await engine.followers()] == [None, None]


async def test_a_fight_is_given_up_until_a_person_speaks(
    stack: Stack, engine: DockerEngine
) -> None:
    """Who moves a monitor back for the fourth time in ten minutes has it their way, and it is
    told; a word of a person, and it is placed again.
    """
    elsewhere = Stack(stack.project, stack.files, {"READ_FROM": "backup"})
    await placed(engine, "primary", 10)
    for _ in range(3):
        await asyncio.to_thread(
            elsewhere.compose, "up", "--detach", "--force-recreate", "--timeout", "1", MONITORS[0]
        )
        await placed(engine, "primary", 10)
    await asyncio.to_thread(
        elsewhere.compose, "up", "--detach", "--force-recreate", "--timeout", "1", MONITORS[0]
    )
    deadline = time.monotonic() + 60
    while not (placement := await engine.place("primary", 10)).gave_up:
        assert time.monotonic() < deadline, placement
        await asyncio.sleep(0.2)
    assert standing(stack, MONITORS[0]).side == "backup"
    engine.acknowledge()
    await placed(engine, "primary", 10)
    in_place(stack, "primary")


async def test_what_runs_is_told_and_can_be_restarted(stack: Stack, engine: DockerEngine) -> None:
    """Bridges by their names, also one that was stopped or removed; a restart starts it anew."""
    container = stack.container("bridge-primary")
    started = stack.inspect("bridge-primary")["State"]["StartedAt"]
    await engine.restart("primary")
    assert stack.inspect("bridge-primary")["State"]["StartedAt"] != started
    for verb, word in (
        (("pause",), ProcessWord.FROZEN),
        (("unpause",), ProcessWord.RUNNING),
        (("stop", "-t", "0"), ProcessWord.STOPPED),
        (("rm",), ProcessWord.GONE),
    ):
        docker(*verb, container)
        assert (await engine.bridges())["primary"].word is word
    assert (await engine.bridges())["backup"].word is ProcessWord.RUNNING
    await asyncio.to_thread(stack.compose, "up", "--detach", "bridge-primary")


async def test_another_controller_is_seen(stack: Stack, engine: DockerEngine) -> None:
    """By its label, if it runs; and a controller learns its own project from its container."""
    project = await asyncio.to_thread(project_of, SOCKET, stack.container("monitor-dev")[:12])
    assert project == stack.project
    assert await engine.other_controllers("0" * 12) == []
    name = f"{stack.project}-another"
    other = docker(
        *("run", "--detach", "--rm", "--name", name, "--init"),
        *("--label", f"org.twinbridge.controls={stack.project}"),
        *("--label", f"com.docker.compose.project={stack.project}"),
        *("python:3.13-slim", "sleep", "600"),
    ).strip()
    try:
        assert await engine.other_controllers("0" * 12) == [name]
        assert await engine.other_controllers(other[:12]) == []
    finally:
        docker("rm", "--force", other)


async def test_a_stalled_engine_is_an_unknown_and_freezes_nothing(
    stack: Stack, tmp_path: Path
) -> None:
    """Every question ends as `EngineAway` by its own limit while the loop turns, and the events
    that were cut are heard again when the engine answers.
    """
    with (
        stalling(tmp_path) as proxy,
        DockerEngine(proxy.url, stack.project, BRIDGES) as engine,
    ):
        events = engine.events()
        heard = asyncio.ensure_future(anext(events))
        assert (await engine.bridges())["backup"].word is ProcessWord.RUNNING
        proxy.stall()
        questions = [
            asyncio.ensure_future(each)
            for each in (engine.bridges(), engine.followers(), engine.place("backup", 20))
        ]
        turns = 0
        while not all(each.done() for each in questions):
            await asyncio.sleep(0.05)
            turns += 1
        assert turns > 20, "the loop went on turning"
        for each in questions:
            assert isinstance(each.exception(), EngineAway)
        proxy.flow()
        proxy.cut()
        assert (await engine.bridges())["backup"].word is ProcessWord.RUNNING
        async with asyncio.timeout(60):
            while not heard.done():
                await asyncio.to_thread(
                    docker, "restart", "-t", "0", stack.container("bridge-backup")
                )
                await asyncio.wait([heard], timeout=2)
        assert heard.result() == "bridge-backup"
        heard.cancel()
    assert all(len(stands(stack, service)) == 1 for service in MONITORS)
