"""The 8-character code: asked for by a person, never in quick succession, never by itself."""

import asyncio
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from neonize.exc import NeonizeError

from bridge.connection import Connection, Word
from bridge.pairing_code import ATTEMPT_S, FILE, WAITS_S, Codes, judge_request

NUMBER = "27820000001"
WAITING = Connection(word=Word.PAIRING, since=1_000.0, qr="a QR code")
NOW, JUST_BEGUN = 1_763_000_000.0, 1_001.0


@dataclass
class Client:
    """What the client would answer; it counts how often it was asked."""

    state: Connection = field(default_factory=lambda: replace(WAITING, since=time.monotonic()))
    asked: list[str] = field(default_factory=list)
    refuses: bool = False

    def pair(self, number: str) -> str:
        """A code, as the client library gives one."""
        self.asked.append(number)
        if self.refuses:
            raise NeonizeError("rate-overlimit")
        return f"CODE-{len(self.asked):04d}"


def codes(volume: Path, client: Client, number: str = NUMBER) -> Codes:
    """The codes of a bridge that has just been started."""
    return Codes(volume, number, lambda: client.state, client.pair)


@pytest.mark.parametrize(
    ("times", "wait_s"),
    [((), 0), ((0,), WAITS_S[0]), ((0, 1), WAITS_S[1]), ((0,) * 9, WAITS_S[-1]), ((86_400,), 0)],
)
def test_the_wait_grows_with_each_question_of_a_day(times: tuple[int, ...], wait_s: float) -> None:
    """The first one at once, later ones minutes and then hours apart; a day forgets."""
    asked = [NOW - ago for ago in times]
    verdict = judge_request(asked, WAITING, NUMBER, now=NOW, monotonic=JUST_BEGUN)
    assert (verdict.ok, verdict.wait_s) == (wait_s == 0, wait_s)
    later = judge_request(asked, WAITING, NUMBER, now=NOW + wait_s, monotonic=JUST_BEGUN)
    assert later.ok


@pytest.mark.parametrize(
    "state",
    [
        Connection(word=Word.CONNECTED),
        Connection(word=Word.BANNED),
        Connection(word=Word.PAIRING, qr=None),
    ],
)
def test_only_a_client_that_shows_codes_is_asked(state: Connection) -> None:
    """Paired, banned, between two attempts: no code, and nothing to wait for."""
    verdict = judge_request((), state, NUMBER, now=NOW, monotonic=JUST_BEGUN)
    assert (verdict.ok, verdict.wait_s) == (False, 0)


def test_a_code_that_would_die_before_it_is_typed_is_not_asked_for() -> None:
    """It is gone with the last QR code; the next attempt gives time."""
    late = WAITING.since + ATTEMPT_S - 10
    verdict = judge_request((), WAITING, NUMBER, now=NOW, monotonic=late)
    assert (verdict.ok, verdict.wait_s) == (False, 15)


def test_without_a_number_there_is_no_code() -> None:
    """It is made for the number whose phone it is typed on."""
    verdict = judge_request((), WAITING, "", now=NOW, monotonic=JUST_BEGUN)
    assert not verdict.ok
    assert "not set" in verdict.reason


async def test_asked_twice_it_is_one_code(tmp_path: Path) -> None:
    """Whoever asks while one is on show gets that one, and WhatsApp is asked once."""
    client = Client()
    pairing = codes(tmp_path, client)
    first, second = await asyncio.gather(pairing.ask(), pairing.ask())
    assert first.code == second.code == pairing.current == "CODE-0001"
    assert client.asked == [NUMBER]


async def test_the_wait_outlives_the_code_and_the_process(tmp_path: Path) -> None:
    """A restart must not be a way around it, nor the next attempt of the client."""
    client = Client()
    pairing = codes(tmp_path, client)
    await pairing.ask()
    client.state = replace(client.state, since=client.state.since + 0.5)
    assert pairing.current is None
    for one in (pairing, codes(tmp_path, client)):
        answer = await one.ask()
        assert answer.code is None
        assert 0 < answer.verdict.wait_s <= WAITS_S[0]
    assert client.asked == [NUMBER]


async def test_a_refusal_counts(tmp_path: Path) -> None:
    """WhatsApp was asked, whatever it said; nobody asks it again at once."""
    client = Client(refuses=True)
    pairing = codes(tmp_path, client)
    refused = await pairing.ask()
    assert "rate-overlimit" in refused.verdict.reason
    assert (await pairing.ask()).verdict.wait_s > 0
    assert len(client.asked) == 1


async def test_what_cannot_be_remembered_is_not_asked_for(tmp_path: Path) -> None:
    """A volume that takes nothing would forget, and the number would pay for it."""
    client = Client()
    with pytest.raises(OSError, match="missing"):
        await codes(tmp_path / "missing", client).ask()
    assert client.asked == []


async def test_a_memory_that_makes_no_sense_is_no_memory_of_nothing(tmp_path: Path) -> None:
    """A file cut off by a crash tells at least of one question."""
    (tmp_path / FILE).write_text("[176")
    client = Client()
    answer = await codes(tmp_path, client).ask()
    assert answer.verdict.wait_s > 0
    assert client.asked == []
