"""Runs a bridge's store in children that die before their first, second, third … SQL statement.

A program of its own, because it forks: prints the number of interruptions it survived.
"""

import itertools
import os
import sys
import tempfile
from pathlib import Path

from tests.bridge.events import T0, edit, info, lid, message, phone, revoke, snapshot, undecryptable
from tests.bridge.filled import (
    IN_MEMORY,
    Event,
    feed,
    mentions,
    messages,
    open_store,
    rows,
    rules,
    settle,
)

DIED = 9

AUTHOR, OTHER = phone("27820000001"), phone("27820000002")

EVENTS: tuple[Event, ...] = (
    ("message", message(info("E1", lid("71"), at=T0 + 4000), edit("A1", "DR1000002"))),
    ("undecryptable", undecryptable(info("A1", AUTHOR))),
    ("message", message(info("A1", AUTHOR), "DR1000001")),
    ("message", message(info("A1", OTHER), "DR1000003")),
    ("message", message(info("A2", lid("71"), AUTHOR), "who is who")),
    ("group_snapshot", snapshot({"72": ("27820000002", True)})),
    ("message", message(info("R1", lid("72"), at=T0 + 9000), revoke("A2"))),
)


def live(volume: Path, acknowledged: Path, statements: int | None) -> None:
    """Capture and interpret everything; die before the given statement."""
    with open_store(volume) as store:
        if statements is not None:
            left = itertools.count(statements - 1, -1)

            def count(*_: object) -> bool:
                if next(left) <= 0:
                    os._exit(DIED)
                return True

            store._writer.db.set_exec_trace(count)  # noqa: SLF001 - where a power cut may strike
        store.apply_rules(rules())
        taken = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for number, event in enumerate(EVENTS):
            feed(store, [event])
            os.write(taken, b"%d\n" % number)
            if number % 2:
                store.interpret_pending()
                for mark, mention in store.pending_mentions("db", 1):
                    store.mark_published("db", [(mark, mention)])
        settle(store)


def dies(volume: Path, acknowledged: Path, statements: int) -> bool:
    """Whether a child that may run so many statements died of it."""
    child = os.fork()
    if child == 0:
        try:
            live(volume, acknowledged, statements)
        except BaseException:  # noqa: BLE001 - the child must not go on as a second parent
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in {0, DIED}:
        raise AssertionError(f"the child failed on its own: {code}")
    return code == DIED


def main() -> None:
    """Interrupt before every statement in turn, go on, and compare with an undisturbed life."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as directory:
        whole = Path(directory)
        live(whole, whole / "acknowledged", None)
        expected = messages(whole), mentions(whole)
    for statements in itertools.count(1):
        with tempfile.TemporaryDirectory(dir=IN_MEMORY) as directory:
            volume = Path(directory)
            acknowledged = volume / "acknowledged"
            acknowledged.touch()
            died = dies(volume, acknowledged, statements)
            taken = {int(line) for line in acknowledged.read_text().split()}
            with open_store(volume) as store:
                stored = {payload for (payload,) in rows(volume, "SELECT payload FROM event")}
                facts = rows(volume, "SELECT count(*) FROM admin_evidence")
                for number in taken:
                    kind, payload = EVENTS[number]
                    assert payload in stored or (kind == "group_snapshot" and facts == [(1,)])
                store.apply_rules(rules())
                # What was not acknowledged comes again from the server.
                feed(store, [event for n, event in enumerate(EVENTS) if n not in taken])
                settle(store)
                pending = {mention.drop_number for _, mention in store.pending_mentions("new", 99)}
            assert (messages(volume), mentions(volume)) == expected, statements
            assert pending == {"DR1000001", "DR1000002", "DR1000003"}
            if not died:
                sys.stdout.write(f"{statements - 1}\n")
                return


if __name__ == "__main__":
    main()
