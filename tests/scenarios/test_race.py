"""First write wins: two publishers on two files that were filled in different order."""

import random
import subprocess
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.conftest import ROOT, eventually
from tests.scenarios.conftest import BRIDGES, NUMBERS, Field, group_of

DROPS = 5_000
FIRST = 7_600_000
SENDERS = tuple(f"2700000{number:04d}" for number in range(601, 641))


def fill(field: Field) -> None:
    """Write 5,000 drops; the backup gets them in another order than the primary."""
    for sender in SENDERS:
        field.member("Race", sender)
    messages = [
        {
            "group": group_of("Race"),
            "sender": SENDERS[number % len(SENDERS)],
            "kind": "text",
            "id": f"RACE{number:04d}",
            "text": f"DR{FIRST + number}",
        }
        for number in range(DROPS)
    ]
    shuffled = [message["id"] for message in messages]
    random.Random(3).shuffle(shuffled)
    field.post("/api/messages/bulk", messages=messages, order={NUMBERS["backup"]: shuffled})
    field.wait_received(120)


def publisher(field: Field, bridge: str, url: str) -> subprocess.Popen[str]:
    """The publisher of one bridge's file, in the bridge's image, waiting at the barrier."""
    run = field.stack.project.removesuffix("-field")
    process = subprocess.Popen(
        [
            *("docker", "run", "--rm", "--interactive", "--label", f"org.twinbridge.test={run}"),
            *("--network", f"{field.stack.project}_default"),
            *("--volume", f"{field.stack.project}_{bridge}-messages:/messages"),
            *("--volume", f"{ROOT}/tests/scenarios/publish_from_file.py:/publish.py:ro"),
            *("twinbridge-bridge:latest", "python", "/publish.py", bridge, url),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    return process


@pytest.mark.timeout(300)
def test_five_thousand_drops_from_two_files_make_five_thousand_rows(
    field: Field, database_url: str
) -> None:
    """Both publish everything they hold to a database they have never seen, at one moment: one row
    a drop, every mention heard by both, no deadlock. Each must have met a conflict.
    """
    fill(field)
    expected = {f"RACE{number:04d}" for number in range(DROPS)}
    for bridge in BRIDGES:
        eventually(
            f"{bridge} has read them all",
            lambda b=bridge: expected <= set(field.texts(b, "Race")),  # type: ignore[misc]
        )
    field.stack.compose("stop", *BRIDGES.values())
    server = urlsplit(database_url)
    inside = server._replace(netloc=f"{server.username}:{server.password}@reviews:5432").geturl()
    publishers = [publisher(field, bridge, inside) for bridge in BRIDGES]
    for process in publishers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in publishers:
        printed, _ = process.communicate(timeout=200)
        assert printed.strip() == "current"
        assert process.returncode == 0
    field.stack.compose("start", *BRIDGES.values())

    with psycopg.connect(database_url) as connection:
        rows: dict[str, str] = dict(
            connection.execute(
                b"SELECT r.drop_number, r.bridge_source FROM public.qa_photo_reviews AS r"
                b" WHERE r.project = 'Race'"
            ).fetchall()
        )
        assert {f"DR{FIRST + number}" for number in range(DROPS)} == set(rows)
        conflicts: dict[str, int] = dict(
            connection.execute(
                b"SELECT met, count(*) FROM public.drop_mentions,"
                b" unnest(array_remove(heard_by, heard_first::text)) AS met"
                b" WHERE project = 'Race' GROUP BY met"
            ).fetchall()
        )
        deadlocks = connection.execute(
            b"SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        ).fetchall()
    print(f"conflicts met: {conflicts}")
    assert set(conflicts) == set(BRIDGES), "one of the two met no conflict: this was no race"
    assert sum(conflicts.values()) == DROPS, "every mention was heard by both"
    assert set(rows.values()) == set(BRIDGES)
    assert deadlocks == [(0,)]
    for bridge in BRIDGES:
        field.wait_connected(bridge)
