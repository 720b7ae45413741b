"""Every fault of the table, done to both bridges in turn while technicians write."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from bridge.faults import TABLE, Lost
from tests.conftest import eventually
from tests.scenarios.conftest import BRIDGES, Field
from tests.scenarios.drills import (
    CAUSES,
    PROJECT,
    TECHNICIAN,
    Ward,
    described,
    drill,
    excused,
    lacking,
    newest,
    writing,
)

PEER = {"primary": "backup", "backup": "primary"}
ROWS = {row.name: row for row in TABLE}

LONG = ("stuck_loop", "silent")
"""Faults that take half a minute to be noticed, and run beside the others, in the other bridge."""
RARE = ("stuck_store",)
"""The moment in which it can be done comes when it likes: among the long forms only."""
SAFE = (
    "close", "abort", "split", "refused", "duplicate", "media_missing", "media_slow",
    "media_truncated", "frozen", "store_locked", "replaced", "outdated", "banned",
)  # fmt: skip
LOSING = ("killed", "logged_out", "logged_out_at_connect")
"""Not while the other bridge may lose something as well: two witnesses promise no more."""
ELSEWHERE = {"deaf", "deaf_in_a_group", "gone"}
"""Deafness needs a peer that hears (test_deaf.py); a server that is gone is gone for both."""


@pytest.fixture
def wards(field: Field) -> Iterator[dict[str, Ward]]:
    """Both bridges, with a technician in the group; what stands is lifted after the story."""
    field.member(PROJECT, TECHNICIAN)
    both = {bridge: Ward(field, bridge) for bridge in BRIDGES}
    for ward in both.values():
        ward.well("the stories before")
    yield both
    for ward in both.values():
        field.heal(ward.bridge)
        ward.well("the story")


def test_the_drills_know_every_row_of_the_table() -> None:
    """A fault that nobody has done to a bridge is a claim."""
    drilled = {*SAFE, *LOSING, *LONG, *RARE, *ELSEWHERE}
    assert drilled == set(ROWS)
    assert set(CAUSES) == set(ROWS) - {"gone"}
    losing = {name for name, row in ROWS.items() if row.lost is not Lost.NOTHING}
    assert losing == {*LOSING, *RARE}


def _under_way(
    wards: dict[str, Ward], bridge: str, long: Sequence[str], others: Sequence[str]
) -> None:
    """Do the long faults to one bridge and the others to its peer, under a flow of messages."""
    field = wards[bridge].field
    began = newest(field)
    nothing_lost_elsewhere = threading.Event()

    def slow() -> None:
        try:
            drill(wards[bridge], ROWS[long[0]])
        finally:
            nothing_lost_elsewhere.set()
        for name in long[1:]:
            drill(wards[bridge], ROWS[name])

    def quick() -> None:
        for name in others:
            if name in LOSING:
                assert nothing_lost_elsewhere.wait(300)
            drill(wards[PEER[bridge]], ROWS[name])

    with writing(field), ThreadPoolExecutor(2) as lanes:
        for lane in [lanes.submit(slow), lanes.submit(quick)]:
            lane.result()
    both = list(wards.values())
    field.wait_interpreted(180)
    ledger = field.ledger(PROJECT, began)
    for ward in both:
        eventually(
            f"{ward.bridge} has all but what its faults may cost",
            lambda w=ward: lacking(w, ledger) <= excused(w, ledger),  # type: ignore[misc]
            60,
        )
    lost_by_both = lacking(both[0], ledger) & lacking(both[1], ledger)
    assert not lost_by_both, described(both, ledger)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("bridge", list(BRIDGES))
def test_every_fault_keeps_to_its_row(wards: dict[str, Ward], bridge: str) -> None:
    """Each is logged, shown in the word of the table, and left in its way; nobody starts a war.

    Afterwards the union of both files is what the simulator's ledger has, and each file lacks
    nothing but what the table says that its faults cost.
    """
    _under_way(wards, bridge, LONG, (*SAFE, *LOSING))


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("bridge", list(BRIDGES))
def test_a_store_that_hangs_costs_what_was_receipted(wards: dict[str, Ward], bridge: str) -> None:
    """The bridge leaves WhatsApp, ends itself and comes back; its peer has what it lost."""
    _under_way(wards, bridge, RARE, SAFE[:3])


@pytest.mark.timeout(600)
def test_a_server_that_is_gone_costs_nothing(wards: dict[str, Ward]) -> None:
    """Both bridges say that they are disconnected, and come back by themselves when it does."""
    field = wards["primary"].field
    began, row = newest(field), ROWS["gone"]
    field.write(PROJECT, TECHNICIAN, "before it goes")
    field.stack.compose("stop", "--timeout", "10", "simulator")
    try:
        for ward in wards.values():
            ward.says(row)
    finally:
        field.stack.compose("start", "simulator")
    eventually("the simulator answers", lambda: field.get("/api/state"), 120)
    field.write(PROJECT, TECHNICIAN, "before they are back")
    for ward in wards.values():
        eventually(f"{ward.bridge} is back", lambda w=ward: w.health().verdict.ok, 240)  # type: ignore[misc]
    field.wait_interpreted(120)
    ledger = field.ledger(PROJECT, began)
    assert len(ledger) == 2
    for ward in wards.values():
        assert not lacking(ward, ledger)
