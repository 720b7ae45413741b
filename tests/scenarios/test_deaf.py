"""Connected but deaf: the socket is up, pings are answered, and nothing arrives."""

import pytest

from bridge.faults import TABLE
from tests.conftest import eventually
from tests.scenarios.conftest import NUMBERS, Field
from tests.scenarios.drills import PROJECT, TECHNICIAN, Ward, drill, lacking, newest, writing

PEER = {"primary": "backup", "backup": "primary"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("fault", "bridge"),
    [
        ("deaf", "primary"),
        ("deaf_in_a_group", "backup"),
        pytest.param("deaf", "backup", marks=pytest.mark.soak),
        pytest.param("deaf_in_a_group", "primary", marks=pytest.mark.soak),
    ],
)
def test_a_deaf_bridge_says_so_and_gets_what_was_held_back(
    field: Field, fault: str, bridge: str
) -> None:
    """Its peer's ears accuse it by name of the group; its peer stays healthy. After it was asked to
    dial anew it has what was held back and is healthy again: both files are complete.
    """
    field.member(PROJECT, TECHNICIAN)
    ward, peer = Ward(field, bridge), Ward(field, PEER[bridge])
    peer.well("the stories before")
    (row,) = (one for one in TABLE if one.name == fault)
    began = newest(field)
    with writing(field):
        drill(ward, row)
        assert peer.health().verdict.ok
    field.wait_interpreted(120)
    assert ward.part("hearing").ok
    ledger = field.ledger(PROJECT, began)
    for one in (ward, peer):
        assert not lacking(one, ledger), one.bridge


@pytest.mark.timeout(180)
def test_a_bridge_that_is_no_member_is_not_deaf(field: Field) -> None:
    """One number in a group: the other one misses everything there, and nobody calls it deaf."""
    elsewhere = "120363990000008802@g.us"
    field.post("/api/groups", jid=elsewhere, subject="Only one", addressing="pn")
    for phone in (NUMBERS["primary"], TECHNICIAN):
        field.post("/api/accounts", phone=phone, name=phone)
        field.post(f"/api/groups/{elsewhere}/members", phone=phone)
    row = field.write(PROJECT, TECHNICIAN, "for one pair of ears", group=elsewhere)
    old = "SELECT 1 FROM message WHERE id = ? AND received_at < (unixepoch() - 20) * 1000"
    eventually(
        "it has been missing for longer than it takes to be called deaf",
        lambda: field.stored("primary", old, row["id"]),
    )
    assert field.part("backup", "hearing")["ok"]
    assert field.health("backup").status == 200
