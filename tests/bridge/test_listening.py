"""Whether the client should run: one pure decision."""

import pytest

from bridge.account import AccountVerdict
from bridge.connection import Connection, Word
from bridge.disk import DiskVerdict
from bridge.listening import Step, refusal, step

FINE = AccountVerdict(True, "expected", "")
WRONG = AccountVerdict(False, "wrong account", "")
ROOM = DiskVerdict(True, "ok", "")
FULL = DiskVerdict(False, "low", "")
UP = Connection(word=Word.CONNECTED)


def test_a_client_that_is_not_running_is_started() -> None:
    """At the start, and when there is room again."""
    down = Connection(word=Word.STOPPED)
    assert step(down, FINE, ROOM, due=None, running=False, now=0) is Step.START


def test_a_running_client_is_left_alone() -> None:
    """Reconnecting is the library's business."""
    lost = Connection(word=Word.DISCONNECTED)
    assert step(lost, FINE, ROOM, due=None, running=True, now=0) is Step.KEEP


@pytest.mark.parametrize(
    ("state", "account", "room"),
    [
        (UP, WRONG, ROOM),
        (UP, FINE, FULL),
        (Connection(word=Word.REPLACED), FINE, ROOM),
        (Connection(word=Word.OUTDATED), FINE, ROOM),
    ],
)
def test_what_must_not_listen_is_stopped_and_not_started_again(
    state: Connection, account: AccountVerdict, room: DiskVerdict
) -> None:
    """The process stays up, so that health can say why; even a promised start waits."""
    assert step(state, account, room, due=None, running=True, now=9) is Step.STOP
    assert step(state, account, room, due=5, running=False, now=9) is Step.KEEP


@pytest.mark.parametrize(
    ("state", "account", "room"),
    [
        *(
            (Connection(word=word, reason="why"), FINE, ROOM)
            for word in (
                Word.REPLACED,
                Word.LOGGED_OUT,
                Word.BANNED,
                Word.OUTDATED,
                Word.PAIRING,
                Word.REFUSED,
            )
        ),
        (UP, AccountVerdict(False, "wrong account", "why"), ROOM),
        (UP, FINE, DiskVerdict(False, "low", "why")),
    ],
)
def test_nobody_can_make_a_bridge_dial_that_must_not(
    state: Connection, account: AccountVerdict, room: DiskVerdict
) -> None:
    """A request is no reason for a reconnect war, and the answer says what stands against it."""
    assert "why" in (refusal(state, account, room) or "")


@pytest.mark.parametrize(
    "word", [Word.CONNECTED, Word.DISCONNECTED, Word.SILENT, Word.STARTING, Word.UNREACHABLE]
)
def test_a_bridge_that_may_listen_dials_when_asked(word: Word) -> None:
    """Also one that believes itself connected: that is the deaf one."""
    assert refusal(Connection(word=word), FINE, ROOM) is None


def test_a_promised_client_starts_when_it_is_due_and_not_before() -> None:
    """The pause after a logout, a ban or an unreachable server is kept."""
    state = Connection(word=Word.UNREACHABLE)
    assert step(state, FINE, ROOM, due=5, running=False, now=4) is Step.KEEP
    assert step(state, FINE, ROOM, due=5, running=False, now=5) is Step.START
    assert step(state, FINE, ROOM, due=5, running=True, now=5) is Step.RESTART
