"""Both bridges down while thousands of messages are written; their sessions looked at meanwhile."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conftest import eventually
from tests.scenarios.conftest import BRIDGES, Field, group_of

TECHNICIAN = "27000000971"
BACKLOG = 2_000
WITH_A_DROP = 20
"""One message in so many names a drop."""

COPIED = 600
PER_SECOND = 100


def _messages(count: int, name: str, first_drop: int) -> list[dict[str, Any]]:
    body = {"group": group_of("Backlog"), "sender": TECHNICIAN, "kind": "text"}
    return [
        body
        | {"id": f"{name}{number:05d}"}
        | {
            "text": f"photo {number}"
            if number % WITH_A_DROP
            else f"DR{first_drop + number // WITH_A_DROP}"
        }
        for number in range(count)
    ]


def _complete(field: Field, name: str, count: int) -> None:
    """Both files have all of them, and nothing of them twice."""
    expected = {f"{name}{number:05d}" for number in range(count)}
    field.wait_interpreted(120)
    for bridge in BRIDGES:
        rows = field.stored(
            bridge, "SELECT id FROM message WHERE chat = ? AND rank = 2", group_of("Backlog")
        )
        held = [row["id"] for row in rows if row["id"].startswith(name)]
        assert len(held) == count
        assert set(held) == expected, f"{bridge} lacks {sorted(expected - set(held))[:5]}"


@pytest.mark.timeout(400)
def test_a_backlog_of_two_thousand_with_both_bridges_down(field: Field) -> None:
    """What was written while nobody listened is in both files and, each drop once, in Postgres."""
    field.member("Backlog", TECHNICIAN)
    field.stack.compose("stop", *BRIDGES.values())
    messages = _messages(BACKLOG, "DOWN", 8_200_000)
    assert field.post("/api/messages/bulk", messages=messages)["written"] == BACKLOG
    field.stack.compose("start", *BRIDGES.values())
    for bridge in BRIDGES:
        field.wait_connected(bridge, 120)
    _complete(field, "DOWN", BACKLOG)
    drops = {one["text"] for one in messages if one["text"].startswith("DR")}

    def reviewed() -> bool:
        rows = field.sql(
            "SELECT drop_number FROM public.qa_photo_reviews WHERE project = %s", "Backlog"
        )
        return drops <= {row["drop_number"] for row in rows} and len(rows) == len(
            {row["drop_number"] for row in rows}
        )

    assert eventually("every drop is reviewed once", reviewed, 120)


@pytest.mark.timeout(300)
def test_a_session_is_copied_and_refused_to_another_while_a_hundred_a_second_arrive(
    field: Field,
) -> None:
    """Copies of whatsapp.db, again and again, cost no message; a second process on the session
    ends with 75 before it dials, and the first one does not even lose its connection.
    """
    field.member("Backlog", TECHNICIAN)
    messages = _messages(COPIED, "COPY", 8_250_000)
    copy = ("exec", "-T", BRIDGES["primary"], "python", "-m", "bridge.session_copy", "/tmp/copy.db")  # noqa: S108 - the container's own
    copies = 0
    with ThreadPoolExecutor(1) as technicians:
        written = technicians.submit(
            field.post, "/api/messages/bulk", messages=messages, rate=PER_SECOND
        )
        while not written.done():
            copies += "bytes copied" in field.stack.compose(*copy, check=False)
        with pytest.raises(AssertionError, match="exited 75"):
            field.stack.compose("run", "--rm", "--no-deps", "-T", BRIDGES["primary"])
        assert written.result()["written"] == COPIED
    assert copies
    assert field.health("primary").json["connected"]
    _complete(field, "COPY", COPIED)
