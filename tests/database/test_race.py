"""Two bridges publish the same 5,000 drops at the same moment."""

import multiprocessing
import random
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Barrier
from typing import Any

import psycopg
import pytest

from contracts.ledger import RECORD_MENTIONS, Mention, encode_mentions

DROPS = 5_000
BATCH = 100
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

_barrier: Barrier


def messages() -> list[Mention]:
    """Every drop named by two messages of one technician, an hour apart."""
    return [
        Mention(
            drop_number=f"DR{1_000_000 + number}",
            chat="1@g.us",
            message_id=f"M{number}-{again}",
            project="Lawley",
            sent_at=NOON + timedelta(seconds=number, hours=again),
            as_of=NOON,
            as_of_id="",
            author_lid=f"9{number:06}",
            author_pn=f"27{number:07}",
        )
        for number in range(DROPS)
        for again in (0, 1)
    ]


def meet(barrier: Barrier) -> None:
    """Give a worker process the barrier that all start at."""
    global _barrier  # noqa: PLW0603 - how a process pool hands things over
    _barrier = barrier


def publish(url: str, bridge: str, seed: int, known: str) -> tuple[int, int, int]:
    """Record everything in an order of its own, knowing only one half of each author."""
    heard = [
        replace(mention, author_pn=None)
        if known == "author_lid"
        else replace(mention, author_lid=None)
        for mention in messages()
    ]
    random.Random(seed).shuffle(heard)
    counts = [0, 0, 0]
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
        statement = RECORD_MENTIONS.replace("$1", "%s").replace("$2", "%s").encode()
        _barrier.wait(60)
        for start in range(0, len(heard), BATCH):
            batch = heard[start : start + BATCH]
            row = connection.execute(statement, (bridge, encode_mentions(batch))).fetchone()
            assert row is not None
            counts = [total + part for total, part in zip(counts, row, strict=True)]
    return counts[0], counts[1], counts[2]


def one(url: str, statement: str) -> Any:  # noqa: ANN401 - one value of any type
    """Ask for one value."""
    with psycopg.connect(url) as connection:
        row = connection.execute(statement.encode()).fetchone()
        assert row is not None
        return row[0]


@pytest.mark.timeout(180)
def test_two_bridges_racing_lose_nothing_and_never_deadlock(database_url: str) -> None:
    """5,000 drops, each in two messages, published by two processes in different orders, released
    by a barrier: 5,000 reviews, every mention heard by both, every sender complete, every second
    message a resubmission, whichever process committed it; no deadlock. Both must have met
    conflicts, or it was no race.
    """
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    with ProcessPoolExecutor(2, context, meet, (barrier,)) as pool:
        racing = [
            pool.submit(publish, database_url, "primary", 1, "author_lid"),
            pool.submit(publish, database_url, "backup", 2, "author_pn"),
        ]
        outcomes = [race.result(150) for race in racing]

    for new, known, _ in outcomes:
        assert new + known == 2 * DROPS
        assert new > 0
        assert known > 0, "one of the two met no conflict: this was no race"
    assert sum(new for new, _, _ in outcomes) == 2 * DROPS
    assert sum(reviews for _, _, reviews in outcomes) == DROPS
    assert one(database_url, "SELECT count(*) FROM qa_photo_reviews") == DROPS
    complete = (
        "SELECT count(*) FROM qa_photo_reviews WHERE resubmitted AND submitted_by ="
        " '27' || lpad((substr(drop_number, 3)::integer - 1000000)::text, 7, '0')"
    )
    assert one(database_url, complete) == DROPS
    both = "SELECT count(*) FROM drop_mentions WHERE heard_by = '{backup,primary}'"
    assert one(database_url, both) == 2 * DROPS
    winners = "SELECT count(DISTINCT bridge_source) FROM qa_photo_reviews"
    assert one(database_url, winners) == 2
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert one(database_url, deadlocks) == 0
