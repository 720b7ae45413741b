"""The reviews are a function of the set of mentions, whatever the order, batches and bridges."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.ledger import (
    RECORD_MENTIONS,
    REGISTER_OWN_NUMBER,
    REVIEW_NOTE,
    Mention,
    encode_mentions,
)
from tests.database.oracle import Act, Invalid, Own, Review, expected

Connection = psycopg.Connection[tuple[Any, ...]]

NOON = datetime(2026, 3, 2, 21, 55, tzinfo=UTC)
"""Five minutes before midnight in Johannesburg."""

DROPS = ("DR1000001", "DR1000002")
GROUPS = {"1@g.us": "Lawley", "2@g.us": "Lawley", "3@g.us": "Mohadin"}
AUTHORS = (("901", "27001"), ("902", "27002"), ("903", "27003"))
OURS = (
    Own("primary", "2700100", "90100"),
    Own("backup", "2700200", None),
    Own("old", None, "90300"),
)


@st.composite
def worlds(draw: st.DrawFn) -> list[tuple[str, Mention]]:
    """Copies of a few messages, each knowing something else, with the bridge that heard it."""
    copies: list[tuple[str, Mention]] = []
    everybody = [*AUTHORS, *((o.lid or "90999", o.pn or "2700999") for o in OURS)]
    people = draw(st.lists(st.sampled_from(everybody), min_size=1, max_size=3))
    rarely = st.sampled_from([False] * 5 + [True])
    for number in range(draw(st.integers(2, 7))):
        chat = draw(st.sampled_from(["1@g.us", "1@g.us", "2@g.us", "3@g.us"]))
        lid, pn = draw(st.sampled_from(people))
        sent_at = NOON + timedelta(minutes=draw(st.sampled_from([0, 5, 10, 10, 20, 21, 60])))
        message = Mention(
            drop_number=DROPS[draw(rarely)],
            chat=chat,
            message_id="forged" if draw(rarely) else f"M{number}",
            project=GROUPS[chat],
            sent_at=sent_at,
            as_of=sent_at,
            as_of_id="0",
        )
        copies.extend(
            (
                draw(st.sampled_from(["primary", "backup"])),
                replace(
                    message,
                    sent_at=sent_at + timedelta(seconds=draw(rarely)),
                    as_of=sent_at + timedelta(seconds=draw(st.integers(0, 2))),
                    as_of_id=draw(st.sampled_from(["0", "1"])),
                    author_lid=draw(st.sampled_from([None, lid, lid])),
                    author_pn=draw(st.sampled_from([None, pn, pn])),
                    user_name=draw(st.sampled_from([None, f"Tech {lid}", "T" * 140])),
                    withdrawn=draw(rarely),
                    held_back=draw(rarely),
                ),
            )
            for _ in range(draw(st.integers(1, 2)))
        )
    return copies


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """One connection; every example begins by rolling the one before back."""
    with psycopg.connect(database_url, prepare_threshold=None) as opened:
        yield opened


def record(connection: Connection, bridge: str, mentions: list[Mention]) -> None:
    """Hand one batch to the ledger."""
    connection.execute(_statement(RECORD_MENTIONS), (bridge, encode_mentions(mentions)))


def register(connection: Connection, own: Own) -> None:
    """Register one own number."""
    connection.execute(_statement(REGISTER_OWN_NUMBER), (own.name, own.pn, own.lid))


def _statement(numbered: str) -> bytes:
    for number in range(1, 4):
        numbered = numbered.replace(f"${number}", "%s")
    return numbered.encode()


def found(connection: Connection, acts: dict[str, Act]) -> tuple[set[Review], set[Invalid]]:
    """What Postgres holds, in the oracle's words."""
    reviews = set()
    for row in connection.execute(
        "SELECT drop_number, project, whatsapp_message_date, review_date, submitted_by, user_name,"
        " resubmitted, incomplete, feedback_sent, comment FROM public.qa_photo_reviews"
    ):
        *columns, comment = row
        act = acts.get(row[0])
        since = f"{act.at:%Y-%m-%dT%H:%M:%SZ}" if act else ""
        notes = [line for line in (comment or "").split("\n") if _is_note(line)]
        recent = tuple(note for note in notes if note.rsplit(" ", 1)[1] >= since)
        values: list[Any] = [*columns, recent]
        reviews.add(Review(*values))
    invalid = {
        Invalid(*row)
        for row in connection.execute(
            "SELECT drop_number, project, chat, message_id, review_project"
            " FROM public.invalid_drop_submissions"
        )
    }
    return reviews, invalid


def _is_note(line: str) -> bool:
    return re.fullmatch(REVIEW_NOTE, line) is not None


def batches(
    draw: Callable[[st.SearchStrategy[Any]], Any], copies: list[tuple[str, Mention]]
) -> Iterator[tuple[str, list[Mention]]]:
    """Any order, and any split into batches of one bridge each."""
    rest = draw(st.permutations(copies))
    while rest:
        size = draw(st.integers(1, len(rest)))
        head, rest = rest[:size], rest[size:]
        for bridge in ("backup", "primary"):
            batch = [mention for name, mention in head if name == bridge]
            if batch:
                yield bridge, batch


EXAMPLES = settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@EXAMPLES
@given(copies=worlds(), own=st.sets(st.sampled_from(OURS)), data=st.data())
def test_reviews_follow_from_the_set_alone(
    connection: Connection,
    copies: list[tuple[str, Mention]],
    own: set[Own],
    data: st.DataObject,
) -> None:
    """Copies of mentions in any order, batches and bridges, and own numbers registered at any
    moment, give the reviews and invalid submissions that the rules give for the bag of them all.
    """
    connection.rollback()
    for number in sorted(own, key=lambda o: o.name):
        if data.draw(st.booleans(), label=f"{number.name} is known before"):
            register(connection, number)
    for bridge, batch in batches(data.draw, copies):
        record(connection, bridge, batch)
    for number in own:
        register(connection, number)
    assert found(connection, {}) == expected([mention for _, mention in copies], own)


@EXAMPLES
@given(copies=worlds(), data=st.data())
def test_an_act_of_the_reviewer_counts_whenever_mentions_arrive(
    connection: Connection, copies: list[tuple[str, Mention]], data: st.DataObject
) -> None:
    """Whatever is known when the reviewer acts, in the end the row is what follows from the act's
    time, from what it left behind and from all mentions; the reviewer's own text stays.
    """
    connection.rollback()
    offered = {
        drop: Act(
            at=NOON + timedelta(minutes=data.draw(st.sampled_from([-1, 3, 5, 12, 30]))),
            resubmitted=data.draw(st.booleans()),
            incomplete=data.draw(st.booleans()),
            feedback_sent=data.draw(st.sampled_from([None, NOON])),
            text=data.draw(st.sampled_from(["", "redo photo 3\n\nplease"])),
        )
        for drop in data.draw(st.sets(st.sampled_from(DROPS)))
    }
    acts: dict[str, Act] = {}
    for bridge, batch in batches(data.draw, copies):
        record(connection, bridge, batch)
        for drop, act in offered.items():
            if drop not in acts and (data.draw(st.booleans())) and review(connection, drop, act):
                acts[drop] = act
    connection.execute("SELECT public.recompute_reviews()")
    assert found(connection, acts) == expected([mention for _, mention in copies], (), acts)
    for drop, act in acts.items():
        row = connection.execute(
            "SELECT comment FROM public.qa_photo_reviews WHERE drop_number = %s", (drop,)
        ).fetchone()
        kept = [line for line in ((row and row[0]) or "").split("\n") if not _is_note(line)]
        assert "\n".join(kept) == act.text


def review(connection: Connection, drop: str, act: Act) -> bool:
    """Act as the dashboard does, but at a time of our choosing; False if there is no row yet."""
    done = connection.execute(
        "UPDATE public.qa_photo_reviews SET reviewed_at = %s, resubmitted = %s, incomplete = %s,"
        " feedback_sent = %s, comment = %s WHERE drop_number = %s",
        (act.at, act.resubmitted, act.incomplete, act.feedback_sent, act.text, drop),
    )
    return done.rowcount == 1
