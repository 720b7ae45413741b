"""What a person may tell the failover, over its real API, and what it refuses."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from failover.api import application, served
from failover.command import parser, run
from failover.tracks import Standing
from failover.trust import Mode
from tests.failover.parts import TOKEN, Parts, working
from tests.failover.test_controller import until
from tests.failover.world import State


class Told:
    """A person at the command line, and the parts that they speak to."""

    def __init__(self, parts: Parts, port: int) -> None:
        self.parts = parts
        self.port = port

    async def tell(self, *arguments: str, token: str = TOKEN) -> tuple[int, str]:
        """One command, as `python -m failover` carries it out."""
        return await asyncio.to_thread(run, arguments, self.port, token)


@asynccontextmanager
async def told(names: Sequence[str] = ("primary", "backup")) -> AsyncIterator[Told]:
    """A failover that sees all bridges up."""
    async with (
        working(*names) as parts,
        served(application(parts.controller, TOKEN), "127.0.0.1", 0) as port,
    ):
        for name in names:
            await until(lambda name=name: parts.controller.tracks[name].word is Standing.UP)  # type: ignore[misc]
        yield Told(parts, port)


async def test_a_switch_by_hand_is_done_and_stays() -> None:
    """The rules do not go back behind a person's back; resume lets them."""
    async with told() as person:
        code, said = await person.tell("switch", "--from", "primary", "--to", "backup")
        assert (code, said) == (0, "a person switched from primary to backup")
        await until(lambda: person.parts.engine.placed == [("backup", 2)])
        assert person.parts.controller.trust.by_hand
        await person.tell("resume")
        assert not person.parts.controller.trust.by_hand


async def test_a_switch_from_what_is_not_read_is_refused() -> None:
    """Whoever types it has not seen the last switch."""
    async with told() as person:
        code, said = await person.tell("switch", "--from", "backup", "--to", "primary")
        assert code == 1
        assert "primary is read at present" in said
        code, said = await person.tell("switch", "--from", "primary", "--to", "spare")
        assert (code, "is no bridge" in said) == (1, True)
        assert person.parts.engine.placed == []


async def test_a_switch_to_one_that_is_not_up_needs_force() -> None:
    """The refusal says what is wrong with it, and how to do it all the same."""
    async with told() as person:
        person.parts.bridges["backup"].bridge.turn(State.LOGGED_OUT, 0)
        tracks = person.parts.controller
        await until(lambda: tracks.tracks["backup"].word is Standing.DOWN)
        wanted = ("switch", "--from", "primary", "--to", "backup")
        code, said = await person.tell(*wanted)
        assert code == 1
        assert "logged out" in said
        assert "--force" in said
        code, said = await person.tell(*wanted, "--force")
        assert (code, "pinned there" in said) == (0, True)
        await until(lambda: person.parts.engine.placed == [("backup", 2)])
        await until(lambda: "pinned" in person.parts.memory.happened)
        assert person.parts.controller.trust.side == "backup"
        await person.tell("resume")
        await until(lambda: person.parts.engine.placed[1:] == [("primary", 3)])


async def test_nobody_changes_anything_without_the_token() -> None:
    """Another container of the network may ask, and not tell."""
    async with told() as person:
        for verb in (["resume"], ["pause"], ["failback", "manual"], ["promote", "backup"]):
            code, said = await person.tell(*verb, token="guessed")
            assert (code, "token" in said) == (1, True)
        assert (await person.tell("status", token=""))[0] == 0
        assert person.parts.memory.happened == []


async def test_a_pause_ends_by_itself_or_by_resume() -> None:
    """An hour unless a time is given; a pause that has ended is in the history."""
    async with told() as person:
        await person.tell("pause")
        trust = person.parts.controller.trust
        assert trust.mode is Mode.PAUSED
        assert trust.paused_until is not None
        code, _ = await person.tell("pause", "--for", "1s")
        assert code == 0
        await until(lambda: person.parts.controller.trust.mode is Mode.AUTO)
        assert person.parts.memory.happened == ["pause", "pause", "resume"]


async def test_a_promoted_bridge_is_read_and_stays_preferred() -> None:
    """Also after a restart of the failover: the order is kept."""
    async with told(("primary", "backup", "third")) as person:
        assert (await person.tell("promote", "third"))[0] == 0
        await until(lambda: person.parts.engine.placed == [("third", 2)])
        memory, engine = person.parts.memory, person.parts.engine
    names = ("primary", "backup", "third")
    async with working(*names, memory=memory, engine=engine) as parts:
        assert parts.controller.trust.order == ("third", "primary", "backup")


async def test_failback_is_set_and_a_wrong_word_is_not_understood() -> None:
    """It overrides the file until somebody says otherwise."""
    async with told() as person:
        await person.tell("failback", "manual")
        assert person.parts.controller.trust.failback == "manual"
        with pytest.raises(SystemExit):
            parser().parse_args(["failback", "perhaps"])


async def test_the_status_and_the_history_say_everything_in_words() -> None:
    """Who is read, each bridge, each monitor; each decision with what was seen."""
    async with told() as person:
        await person.tell("switch", "--from", "primary", "--to", "backup")
        await until(lambda: person.parts.engine.placed == [("backup", 2)])
        _, status = await person.tell("status")
        assert "reading backup since" in status
        assert "bridge primary: up for" in status
        await until(lambda: "placed" in person.parts.memory.happened)
        _, history = await person.tell("history")
        assert "a person switched from primary to backup" in history
        assert "monitor-prod now read backup" in history
        _, lines = await person.tell("history", "--json", "--last", "2")
        kinds = [json.loads(line)["what"] for line in lines.splitlines()]
        assert kinds == ["switch", "placed"]


async def test_a_failover_that_is_not_there_is_said() -> None:
    """With an exit code of its own."""
    async with told() as person:
        port = person.port
    code, said = await asyncio.to_thread(run, ["status"], port, TOKEN)
    assert code == 3
    assert "does not answer" in said
