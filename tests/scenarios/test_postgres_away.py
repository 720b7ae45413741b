"""Postgres does not answer for a while: capturing goes on, and everything arrives afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.conftest import docker, eventually
from tests.scenarios.conftest import BRIDGES, Field, group_of

FIRST = 7_960_000
MESSAGES = 60


@contextmanager
def paused(container: str) -> Iterator[None]:
    """Everything of the container stands still; its sockets stay and nothing answers."""
    docker("pause", container)
    try:
        yield
    finally:
        docker("unpause", container)


@pytest.mark.timeout(300)
def test_a_paused_postgres_delays_rows_and_loses_none(
    field: Field, postgres_container: str
) -> None:
    """Technicians write while Postgres is paused: each bridge captures all of it and its /health
    stays 200, while /health/publish says *unreachable*. Afterwards every drop is a row, once.
    """
    sender = "27000000981"
    field.member("Away", sender)
    field.write("Away", sender, f"DR{FIRST + MESSAGES} before")
    eventually("both publish", field.published, 90)
    messages = [
        {
            "group": group_of("Away"),
            "sender": sender,
            "kind": "text",
            "id": f"AWAY{number:03d}",
            "text": f"DR{FIRST + number}",
        }
        for number in range(MESSAGES)
    ]
    with paused(postgres_container):
        written = field.post("/api/messages/bulk", messages=messages, rate=20)
        assert written["written"] == MESSAGES
        for bridge in BRIDGES:
            eventually(
                f"{bridge} says so",
                lambda b=bridge: _publishing(field, b) == (503, "unreachable"),  # type: ignore[misc]
                90,
            )
            assert field.health(bridge).status == 200
            assert {message["id"] for message in messages} <= set(field.texts(bridge, "Away"))
    eventually("everything is published", field.published, 120)
    rows = field.sql(
        "SELECT drop_number, heard_by FROM public.drop_mentions WHERE chat = %s", group_of("Away")
    )
    assert len(rows) == MESSAGES + 1
    assert {row["drop_number"] for row in rows} == {f"DR{FIRST + n}" for n in range(MESSAGES + 1)}
    assert all(row["heard_by"] == sorted(BRIDGES) for row in rows)
    resubmitted = field.sql(
        "SELECT drop_number FROM public.qa_photo_reviews WHERE project = 'Away' AND resubmitted"
    )
    assert resubmitted == []


def _publishing(field: Field, bridge: str) -> tuple[int, str]:
    answer = field.health(bridge, "/health/publish")
    return answer.status, answer.json["parts"][0]["word"]
