"""What the simulator's ledger says, both files and Postgres hold, while the bridges are killed."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest

from tests.conftest import eventually
from tests.scenarios.conftest import BRIDGES, Field, group_of

MESSAGES = 2_000
PER_SECOND = 50
KILLS = 5
TECHNICIANS = ("27000000501", "27000000502", "27000000503", "27000000504")
APART = 0.5
"""Seconds between kills of different bridges: a message that both have receipted and neither has
stored when both die is beyond what two witnesses can promise."""

OLD_ENOUGH = 200
"""An edit names a message at least so many places back, which has been written by then."""


def conversation(dice: random.Random) -> list[dict[str, Any]]:
    """2,000 messages of all kinds; every one that can name a drop names one of its own."""
    written: list[dict[str, Any]] = []
    for number in range(MESSAGES):
        message = {
            "group": group_of("Kills"),
            "sender": dice.choice(TECHNICIANS),
            "id": f"KILL{number:04d}",
            "kind": dice.choice(["text"] * 6 + ["image", "document", "ephemeral", "view_once"]),
            "text": f"DR{7_500_000 + number}",
        }
        target = written[number - OLD_ENOUGH] if number > OLD_ENOUGH else None
        if target and target["kind"] == "text" and dice.random() < 0.2:
            message |= {
                "kind": dice.choice(["edit", "reply", "reaction", "delete"]),
                "target": target["id"],
                "sender": target["sender"],
            }
            message["text"] = "\U0001f44d" if message["kind"] == "reaction" else message["text"]
        written.append(message)
    return written


def expected_mentions(messages: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Pairs of message and drop; what an edit says belongs to the message it edits."""
    return {
        (message["target"] if message["kind"] == "edit" else message["id"], message["text"])
        for message in messages
        if message["kind"] not in {"reaction", "delete"}
    }


def what_was_said(field: Field, bridge: str) -> dict[str, str]:
    """Id -> what the message itself said, in one bridge's file; edits have their new text."""
    rows = field.stored(
        bridge,
        "SELECT m.id, coalesce(a.content, m.body) AS said FROM message AS m"
        " LEFT JOIN amendment AS a ON (a.chat, a.id, a.n) = (m.chat, m.id, m.n)"
        " AND a.kind = 'edit' WHERE m.chat = ? AND m.rank = 2",
        group_of("Kills"),
    )
    return {row["id"]: row["said"] for row in rows}


def random_moments(dice: random.Random, span: float) -> list[tuple[float, str]]:
    """When which bridge is killed, in seconds; never both within `APART` seconds of one another."""
    while True:
        moments = sorted(
            (dice.uniform(1, span - 3), bridge) for bridge in BRIDGES for _ in range(KILLS)
        )
        if all(
            later - earlier >= APART or one == other
            for (earlier, one), (later, other) in pairwise(moments)
        ):
            return moments


def kill_now_and_then(field: Field, dice: random.Random, deadline: float) -> int:
    """Kill each bridge five times at random moments; returns how many kills were carried out."""
    span = MESSAGES / PER_SECOND
    moments = random_moments(dice, span)
    start = deadline - span
    for moment, bridge in moments:
        time.sleep(max(0.0, start + moment - time.monotonic()))
        field.stack.kill_9(BRIDGES[bridge])
    return len(moments)


@pytest.mark.timeout(300)
def test_two_thousand_messages_survive_ten_kills(
    field: Field, capsys: pytest.CaptureFixture[str]
) -> None:
    """2,000 messages of all kinds at 50/s, each bridge killed -9 five times: the union of the two
    files and Postgres hold exactly what was sent. Losses per file are counted and printed.
    """
    dice = random.Random(7)
    for phone in TECHNICIANS:
        field.member("Kills", phone)
    messages = conversation(dice)
    sent = {message["id"]: message["text"] for message in messages if message["kind"] != "delete"}
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(field.post, "/api/messages/bulk", messages=messages, rate=PER_SECOND)
        deadline = time.monotonic() + MESSAGES / PER_SECOND
        assert kill_now_and_then(field, dice, deadline) == 2 * KILLS
        assert writing.result(240)["written"] == MESSAGES
    for bridge in BRIDGES:
        field.wait_connected(bridge)
    field.wait_interpreted()

    expected = expected_mentions(messages)
    eventually("Postgres has every mention", lambda: found(field) == expected, 90)
    held: dict[str, dict[str, str]] = {bridge: what_was_said(field, bridge) for bridge in BRIDGES}
    for bridge in BRIDGES:
        lost = sorted(set(sent) - set(held[bridge]))
        restarts = field.stack.inspect(BRIDGES[bridge])["RestartCount"]
        with capsys.disabled():
            print(f"\n{bridge}: {restarts} restarts, {len(lost)} of {MESSAGES} lost {lost[:5]}")
        assert restarts >= KILLS, "the restart policy must have acted"
        foreign = {key: said for key, said in held[bridge].items() if sent.get(key, "") != said}
        assert not foreign, "a file holds what was never sent"
    union = held["backup"] | held["primary"]
    assert sent == {key: said for key, said in union.items() if key in sent}


def found(field: Field) -> set[tuple[str, str]]:
    """The mentions of this group in Postgres."""
    rows = field.sql(
        "SELECT message_id, drop_number FROM public.drop_mentions WHERE chat = %s",
        group_of("Kills"),
    )
    return {(row["message_id"], row["drop_number"]) for row in rows}
