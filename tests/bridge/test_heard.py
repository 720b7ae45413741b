"""What a bridge shows its peers, and what it finds that it lacks."""

import json
import time
from pathlib import Path

import pytest

from bridge.store.heard import LATE_MS
from contracts.heard import HeardAnswer, HeardMessage, parse_heard
from tests.bridge.events import GROUP, T0, info, message, phone, undecryptable
from tests.bridge.filled import feed, open_store, settle


def test_every_message_is_shown_once_a_change(tmp_path: Path) -> None:
    """The cursor walks over changes; only what arrived live and readable is a witness."""
    with open_store(tmp_path) as store:
        feed(store, [("message", message(info("A1", phone("2782")), "one"))])
        feed(store, [("undecryptable", undecryptable(info("A2", phone("2782"))))])
        now = int(time.time() * 1000)
        store.capture("message", message(info("A3", phone("2782")), "late"), now, False)
        while store.interpret_pending():
            pass
        window = store.heard_after(0)
        witnesses = {one.id: one.witness for one in window.messages}
        assert witnesses == {"A1": True, "A2": False, "A3": False}
        again = store.heard_after(window.next)
        assert (again.messages, again.next, again.seq) == ((), window.next, window.seq)


def test_what_came_late_accuses_nobody(tmp_path: Path) -> None:
    """Heard live, but long after it was sent: a peer may have been away when it was."""
    with open_store(tmp_path) as store:
        feed(store, [("message", message(info("A1", phone("2782")), "in time"))])
        late = [("message", message(info("A2", phone("2782")), "when the silence ended"))]
        feed(store, late, at=T0 + 5 + LATE_MS)
        settle(store)
        witnesses = {one.id: one.witness for one in store.heard_after(0).messages}
        assert witnesses == {"A1": True, "A2": False}


def test_a_clock_that_is_wrong_makes_nothing_late(tmp_path: Path) -> None:
    """Late is what took longer than the others, not what a clock of ours says."""
    with open_store(tmp_path) as store:
        ahead = T0 + 600_000
        feed(store, [("message", message(info(one, phone("2782")), one)) for one in "AB"], at=ahead)
        feed(store, [("message", message(info("C", phone("2782")), "C"))], at=ahead + LATE_MS)
        settle(store)
        witnesses = {one.id: one.witness for one in store.heard_after(0).messages}
        assert witnesses == {"A": True, "B": True, "C": False}


def test_a_message_counts_as_heard_before_it_is_read(tmp_path: Path) -> None:
    """What is captured, or came unreadable, is not lacking; the id alone is not enough."""
    with open_store(tmp_path) as store:
        now = int(time.time() * 1000)
        store.capture("message", message(info("A1", phone("2782")), "one"), now, True)
        store.capture("undecryptable", undecryptable(info("A2", phone("2782"))), now, True)
        asked = [(GROUP, "A1"), (GROUP, "A2"), (GROUP, "A3"), ("120363000000000009@g.us", "A1")]
        assert store.lacking(asked) == set(asked[2:])


def test_an_answer_survives_the_wire() -> None:
    """What is parsed is what was said."""
    messages = (HeardMessage(GROUP, "A1", 12, True), HeardMessage(GROUP, "A2", 7, False))
    for absent in (None, (), ("Lawley",)):
        said = HeardAnswer("primary", "s", 9, 8, absent, messages)
        assert parse_heard(json.dumps(said.to_json()).encode()) == said


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"bridge": "x"}', b"<html>"])
def test_something_else_is_no_answer(body: bytes) -> None:
    """A proxy's page or an older version is an error that says so."""
    with pytest.raises(ValueError, match="not an answer of /heard"):
        parse_heard(body)
