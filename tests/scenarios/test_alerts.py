"""Nobody needs to watch: a bridge is stopped, people are told, one answers, the bridge is back."""

from collections.abc import Iterator

import pytest

from tests.conftest import call, eventually
from tests.scenarios.conftest import Field

BOTH = ("alerts", "alerts-sink")
TOKEN = "token-of-the-sink"


@pytest.fixture
def told(field: Field) -> Iterator[Field]:
    """The field with alerts and a sink; both are removed after the story, and the bridge is up."""
    field.stack.compose("up", "--detach", "--no-deps", *BOTH)
    yield field
    field.stack.compose("start", "bridge-backup")
    field.wait_connected("backup", 120)
    field.stack.compose("rm", "--stop", "--force", *BOTH)


def _titles(field: Field) -> list[str]:
    letters = call(field.stack.url("alerts-sink", 8000)).json
    return [str(letter["title"]).removeprefix("[Twinbridge] ") for letter in letters]


def _say(field: Field, *words: str) -> str:
    return field.stack.compose("exec", "-T", "alerts", "python", "-m", "alerts", *words)


@pytest.mark.timeout(480)
def test_a_bridge_is_stopped_and_started(told: Field) -> None:
    """One message when it is gone and one when it is back; who has acknowledged is remembered by a
    service that was killed -9 in between; no address is in its log.
    """
    field = told
    eventually("alerts run", lambda: _say(field, "list"), 90)
    assert "json: delivered" in _say(field, "test")
    assert _titles(field)[-1] == "test"

    field.stack.compose("stop", "bridge-backup")
    eventually("it is told", lambda: "backup health: unreachable" in _titles(field), 120)
    assert "acknowledged: backup health: unreachable" in _say(field, "ack", "backup")
    field.stack.kill_9("alerts")
    eventually("alerts run again", lambda: ", acknowledged" in _say(field, "list"), 90)
    status = field.stack.compose(
        *("run", "--rm", "--no-deps", "--no-TTY", "database-migrate"),
        *("python", "-m", "contracts.status"),
        check=False,
    )
    assert status.startswith("PRIMARY: ONLINE\nBACKUP: OFFLINE\nOverall: DEGRADED\n"), status
    assert "  alerts phone primary: opened" in status

    near = field.stack.compose(
        *("exec", "-T", "alerts", "python", "-m", "alerts", "near-misses", "2026-01-31"), merge=True
    )
    assert "near misses of 2026-01-31: none" in near
    assert "backup gives no list" in near
    assert "primary gives no list" not in near

    field.stack.compose("start", "bridge-backup")
    eventually("its end is told", lambda: "recovered: backup health" in _titles(field), 120)
    of_it = [title for title in _titles(field) if "backup health" in title]
    assert of_it == ["backup health: unreachable", "recovered: backup health"]
    assert TOKEN not in field.stack.compose("logs", "alerts", merge=True)
