"""Monitors that are killed, frozen, or two of a kind: the rows are those of one that never was."""

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.monitor.conftest import OTHER, Monitoring, ask, rows
from tests.monitor.feeding import feeding
from tests.monitor.processes import monitor_process

MENTIONED = "SELECT count(*) FROM public.drop_mentions"
CURSOR = "SELECT coalesce(max(change_seq), 0) FROM public.monitor_cursors"


def story(numbers: range, dice: random.Random) -> list[dict[str, object]]:
    """A message per number: new drops, drops again, edits and deletes of earlier ones, from several
    technicians in two groups, over some hours.
    """
    start = int(time.time()) - 6 * 3600
    orders: list[dict[str, object]] = []
    for number in numbers:
        order: dict[str, object] = {
            "id": f"M{number}",
            "sender": f"278200000{dice.randrange(60, 66)}",
            "at": (start + number * 3) * 1000,
            "text": f"DR{3_000_000 + dice.randrange(number + 1)} and DR{4_000_000 + number}",
        }
        kind = dice.random()
        if orders and kind < 0.2:
            earlier = dice.choice(orders)
            order |= {key: earlier[key] for key in ("sender", "chat") if key in earlier}
            order |= {"edits": earlier["id"]} if kind < 0.1 else {"revokes": earlier["id"]}
        elif kind > 0.95:
            order["chat"] = OTHER
        orders.append(order)
    return orders


@pytest.fixture
def second_url(postgres: str, database_url: str) -> Iterator[str]:
    """Another migrated database on the same server."""
    name = f"{database_url.rpartition('/')[2]}_second"
    ask(postgres, f'CREATE DATABASE "{name}" TEMPLATE "{database_url.rpartition("/")[2]}"')
    yield f"{database_url.rpartition('/')[0]}/{name}"
    ask(postgres, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def undisturbed(second_url: str, monitoring: Monitoring) -> "Undisturbed":
    """The rows that one monitor makes of a file in peace."""
    return Undisturbed(second_url, monitoring)


class Undisturbed:
    """What a file comes to when one monitor reads it in peace."""

    def __init__(self, url: str, monitoring: Monitoring) -> None:
        self.url = url
        self.monitoring = monitoring

    async def rows(self, volume: Path, seq: int) -> object:
        """Read the whole file and give its rows."""
        async with self.monitoring(volume, self.url) as monitor:
            await monitor.until_read(seq)
        return rows(self.url)


def until_written(url: str, after: int) -> None:
    """Return in the moment in which the ledger has more mentions than that."""
    deadline = time.monotonic() + 90
    with psycopg.connect(url, autocommit=True) as connection:
        while time.monotonic() < deadline:
            row = connection.execute(MENTIONED).fetchone()
            if row is not None and row[0] > after:
                return
            time.sleep(0.002)
    raise AssertionError("the monitor wrote nothing")


@pytest.mark.timeout(240)
def test_killed_at_any_moment_it_makes_the_same_rows(
    tmp_path: Path, config: Path, database_url: str, undisturbed: Undisturbed
) -> None:
    """A monitor is killed again and again in the middle of its work, each time by what it has just
    written; the last one ends with the rows of one that was left in peace.
    """
    dice = random.Random(6)
    volume = tmp_path / "messages"
    lives = 6
    told = story(range(lives * 400), dice)
    seq, cut_off = 0, []
    with feeding(volume, "primary", config) as feeder:
        for life in range(lives):
            seq = feeder.messages(told[life * 400 : (life + 1) * 400])
            before = ask(database_url, MENTIONED)[0][0]
            with monitor_process(volume, config, database_url) as monitor:
                until_written(database_url, before)
                time.sleep(dice.choice([0, 0.01, 0.03, 0.1]))
                monitor.kill()
            cut_off.append((ask(database_url, CURSOR)[0][0], seq))
    with monitor_process(volume, config, database_url) as monitor:
        monitor.until_read(seq)
        assert monitor.stop() == 0
    print("cursor and seq at each kill:", cut_off)
    assert rows(database_url) == asyncio.run(undisturbed.rows(volume, seq))


@pytest.mark.timeout(240)
def test_two_monitors_of_which_one_is_frozen_and_thawed_make_the_rows_of_one(
    tmp_path: Path, config: Path, database_url: str, undisturbed: Undisturbed
) -> None:
    """Two monitors of one environment work at once under load, either of them is frozen at random
    and thawed behind the other one; nothing is doubled, lost or undone.
    """
    dice = random.Random(7)
    seq = _frozen_and_thawed(tmp_path, config, database_url, dice, rounds=12)
    assert rows(database_url) == asyncio.run(undisturbed.rows(tmp_path / "messages", seq))


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_two_monitors_for_a_long_time(
    tmp_path: Path, config: Path, database_url: str, undisturbed: Undisturbed
) -> None:
    """The same for 150 rounds, with other dice each time."""
    dice = random.Random()
    seq = _frozen_and_thawed(tmp_path, config, database_url, dice, rounds=150)
    assert rows(database_url) == asyncio.run(undisturbed.rows(tmp_path / "messages", seq))


def _frozen_and_thawed(
    tmp_path: Path, config: Path, url: str, dice: random.Random, rounds: int
) -> int:
    told = story(range(rounds * 60), dice)
    volume = tmp_path / "messages"
    seq = 0
    with (
        feeding(volume, "primary", config) as feeder,
        monitor_process(volume, config, url) as one,
        monitor_process(volume, config, url) as other,
    ):
        for turn in range(rounds):
            frozen = dice.choice([one, other])
            for part in range(3):
                seq = feeder.messages(told[turn * 60 + part * 20 : turn * 60 + part * 20 + 20])
                if part == 0:
                    frozen.freeze()
                time.sleep(dice.random() * 0.15)
            if dice.random() < 0.4:
                (other if frozen is one else one).until_read(seq)
            frozen.thaw()
        for monitor in (one, other):
            monitor.until_read(seq)
            assert monitor.stop() == 0
    return seq
