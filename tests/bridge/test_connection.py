"""The state of a connection, folded from events, and when a new client is started."""

import neonize
import pytest

from bridge import connection, signals, translation
from bridge.connection import Connection, Word, apply, next_start
from bridge.signals import Account, Event

ME = Account(pn="27820000001", lid="99000000001")


def _after(*events: Event, step_s: float = 1.0) -> tuple[Connection, float]:
    state, now = Connection(), 0.0
    for event in events:
        now += step_s
        state = apply(state, event, now)
    return state, now


def test_a_fresh_session_shows_a_code_until_it_is_scanned() -> None:
    """The code is part of the state only while it can be scanned."""
    waiting, _ = _after(signals.Started(), signals.QrShown("one"), signals.QrShown("two"))
    assert (waiting.word, waiting.qr, waiting.paired) == (Word.PAIRING, "two", False)
    paired, _ = _after(
        signals.Started(),
        signals.QrShown("one"),
        signals.PairingEnded("success"),
        signals.LoggedInAs(ME),
        signals.Connected(),
    )
    assert (paired.word, paired.qr, paired.account) == (Word.CONNECTED, None, ME)


def test_a_pairing_that_timed_out_is_started_again_by_us() -> None:
    """The library goes silent after 160 s; nobody should have to restart the bridge for that."""
    ended = signals.PairingEnded("timeout")
    state, now = _after(signals.Started(), signals.QrShown("one"), ended)
    assert state.qr is None
    assert next_start(state, ended, now) == now + 1.0


@pytest.mark.parametrize(
    "event", [signals.Replaced(), signals.Outdated("x"), signals.Disconnected()]
)
def test_no_new_client_where_it_would_be_a_war_or_the_library_does_it(event: Event) -> None:
    """Replaced and outdated wait for a person; a broken connection is the library's business."""
    state, now = _after(signals.Started(), signals.LoggedInAs(ME), signals.Connected(), event)
    assert not state.connected
    assert next_start(state, event, now) is None


def test_a_forced_reconnect_without_an_event_is_seen_by_asking_the_socket() -> None:
    """After 203 s of silence the library reconnects without saying Disconnected."""
    asked = signals.Observed(False, asked=1.5)
    state, now = _after(signals.Connected(), asked)
    assert state.word is Word.DISCONNECTED
    assert next_start(state, asked, now) is None
    much_later = now + connection.STUCK_S + 1
    assert next_start(state, asked, much_later) == much_later


def test_an_answer_from_before_the_login_does_not_undo_it() -> None:
    """The client was asked, logged in, and the old answer arrived last."""
    state, _ = _after(signals.Connected(), signals.Observed(False, asked=0.5))
    assert state.connected


def test_unanswered_pings_are_not_connected_although_the_socket_is_open() -> None:
    """The socket says open for minutes after the far side is gone."""
    lost = signals.KeepAliveLost(1)
    state, _ = _after(signals.Connected(), lost, signals.Observed(True, asked=2.5))
    assert (state.word, state.connected) == (Word.SILENT, False)
    restored = apply(state, signals.KeepAliveRestored(), 9.0)
    assert restored.connected


def test_a_logout_forgets_the_account_and_pairs_anew_after_the_row_is_gone() -> None:
    """LoggedOut is told 4 ms before the session row is deleted; an earlier start meets it again."""
    event = signals.LoggedOut("LOGGED_OUT, while connected")
    state, now = _after(signals.LoggedInAs(ME), signals.Connected(), event)
    assert not state.paired
    assert next_start(state, event, now) == now + connection.AFTER_LOGOUT_S


def test_an_unreachable_server_is_tried_again_with_growing_pauses() -> None:
    """The first connection is not retried by the library; the pause doubles up to half a minute."""
    state, pauses = Connection(), []
    for attempt in range(8):
        event = signals.Unreachable("no route")
        state = apply(state, event, float(attempt))
        due = next_start(state, event, 0.0)
        assert due is not None
        pauses.append(due)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_the_time_of_a_state_is_when_it_began() -> None:
    """A state that is confirmed again is not younger."""
    state = apply(Connection(), signals.KeepAliveLost(1), 10.0)
    assert apply(state, signals.KeepAliveLost(2), 40.0).since == 10.0


BANNED = signals.Banned(code=101, expire_s=3_600.0)


def test_a_banned_account_comes_back_when_the_ban_has_ended_and_not_before() -> None:
    """The server names the seconds; a client that dials meanwhile may prolong the ban."""
    state, now = _after(signals.Connected(), BANNED)
    assert "3600 s" in state.reason
    assert next_start(state, BANNED, now) == now + 3_600 + connection.AFTER_BAN_S
    state = apply(state, signals.Stopped(), now + 3_600)
    assert apply(state, signals.Started(), now + 3_600).word is Word.STARTING


def test_a_ban_without_a_time_is_not_dialled_into_at_once() -> None:
    """Zero seconds would be a loop of connecting and being refused."""
    event = signals.Banned(code=101, expire_s=0.0)
    state, now = _after(event)
    assert next_start(state, event, now) == now + 60


@pytest.mark.parametrize(
    "word", [BANNED, signals.Replaced(), signals.Outdated("neonize 1")], ids=str
)
@pytest.mark.parametrize(
    "after",
    [
        signals.Disconnected(),
        signals.KeepAliveLost(1),
        signals.KeepAliveRestored(),
        signals.Stopped(),
    ],
    ids=str,
)
def test_the_end_of_a_refused_connection_does_not_hide_why_it_ended(
    word: Event, after: Event
) -> None:
    """As "disconnected" a new client would be started after five minutes: a reconnect war."""
    refused, now = _after(signals.Connected(), word)
    state = apply(refused, after, now + 1)
    assert state == refused
    asked = signals.Observed(False, asked=now + 999)
    assert next_start(apply(state, asked, now + 999), asked, now + 999) is None


def test_an_outdated_client_says_which_version_was_refused() -> None:
    """Whoever updates must be able to see that another version runs afterwards."""
    told = translation.event_of(10, b"")
    assert told is not None
    state, _ = _after(told)
    assert state.word is Word.OUTDATED
    assert f"neonize {neonize.__version__}" in state.reason
