"""Whatever the order in which events arrive, the same messages and mentions come of them."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.store import Store
from tests.bridge.events import (
    T0,
    change,
    edit,
    info,
    lid,
    message,
    phone,
    revoke,
    snapshot,
    undecryptable,
)
from tests.bridge.filled import (
    IN_MEMORY,
    Event,
    Seen,
    feed,
    mentions,
    messages,
    open_store,
    rows,
    rules,
    settle,
)

PEOPLE = {"71": "27820000001", "72": "27820000002", "73": "27820000003"}
IDS = ("A1", "A2")

Action = Callable[[Store], None]


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens to a store, with a name for the counterexample."""

    name: str
    act: Action

    def __repr__(self) -> str:
        return self.name


def captured(name: str, event: Event) -> Step:
    """The step of capturing an event."""
    return Step(name, lambda store: feed(store, [event]))


people = st.sampled_from([*PEOPLE])
ids = st.sampled_from(IDS)
times = st.integers(0, 9).map(lambda second: T0 + second * 1000)
texts = st.sampled_from(["DR1000001", "DR1000002 and DR1000003", "nothing", ""])


@st.composite
def senders(draw: st.DrawFn) -> tuple[str, str]:
    """Sender and alternative sender of somebody: LID, phone, both, either way round."""
    who = draw(people)
    return draw(
        st.sampled_from(
            [
                (lid(who), ""),
                (phone(PEOPLE[who]), ""),
                (lid(who), phone(PEOPLE[who])),
                (phone(PEOPLE[who]), lid(who)),
            ]
        )
    )


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """One event of any kind, or something learned."""
    kind = draw(
        st.sampled_from(
            ["message", "message", "undecryptable", "edit", "edit", "revoke", "revoke", "alias",
             "own", "admins", "admins", "promote", "demote"]
        )
    )  # fmt: skip
    who, id_, at = draw(people), draw(ids), draw(times)
    # An edit or revoke has one id, author and time, however often it is heard.
    own_id = f"{kind[0].upper()}{draw(st.integers(1, 3))}"
    sender, alternative = draw(senders())
    name = f"{kind} {id_} by {sender}/{alternative} at {at - T0}"
    match kind:
        case "message":
            text = draw(texts)
            payload = message(info(id_, sender, alternative, at=at), text)
            return captured(f"{name}: {text}", ("message", payload))
        case "undecryptable":
            return captured(name, (kind, undecryptable(info(id_, sender, alternative, at=at))))
        case "edit":
            text = draw(texts)
            payload = message(info(own_id, sender, alternative, at=at), edit(id_, text))
            return captured(f"{name} as {own_id}: {text}", ("message", payload))
        case "revoke":
            claimed = draw(st.sampled_from(["", f"{who}@lid", f"{PEOPLE[who]}@s.whatsapp.net"]))
            payload = message(info(own_id, sender, alternative, at=at), revoke(id_, claimed))
            return captured(f"{name} as {own_id} of {claimed}", ("message", payload))
        case "alias":
            return Step(f"alias {who}", lambda store: _alias(store, who))
        case "own":
            number = draw(st.sampled_from([who, PEOPLE[who]]))
            return Step(f"own {number}", lambda store: _own(store, number))
        case "admins":
            listed = snapshot({one: (None, one == who) for one in PEOPLE})
            return Step(
                f"admins {who} at {at - T0}",
                lambda store: feed(store, [("group_snapshot", listed)], at=at),
            )
        case _:
            named = (f"{who}@lid",)
            promoted = kind == "promote"
            payload = change(
                at, promote=named if promoted else (), demote=() if promoted else named
            )
            return captured(f"{kind} {who} at {at - T0}", ("group", payload))


def _alias(store: Store, who: str) -> None:
    store.learn_alias(who, PEOPLE[who], "test")


def _own(store: Store, number: str) -> None:
    store.set_own_numbers({number})


def outcome(happens: list[Step], settled: list[bool]) -> tuple[list[Seen], object, object]:
    """What is in the file after the steps, interpreted now and then."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as directory:
        volume = Path(directory)
        with open_store(volume) as store:
            store.apply_rules(rules())
            for step, settle_now in zip(happens, settled, strict=True):
                step.act(store)
                if settle_now:
                    settle(store)
            settle(store)
        verdicts = rows(
            volume,
            "SELECT id, kind, target_id, coalesce(author_lid, ''), coalesce(author_pn, ''),"
            " content, verdict FROM amendment ORDER BY 1, 2, 3, 4, 5, 6, 7",
        )
        return messages(volume), mentions(volume), verdicts


@given(
    data=st.lists(steps(), min_size=1, max_size=9).flatmap(
        lambda happens: st.tuples(
            st.just(happens),
            st.permutations(happens),
            st.lists(st.booleans(), min_size=len(happens), max_size=len(happens)),
        )
    )
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.timeout(300)
def test_order_of_arrival_changes_nothing(
    data: tuple[list[Step], list[Step], list[bool]],
) -> None:
    """Messages, copies, edits, revokes, admins, pairs, own numbers: a function of their set."""
    happens, shuffled, settled = data
    assert outcome(happens, [True] * len(happens)) == outcome(shuffled, settled)
