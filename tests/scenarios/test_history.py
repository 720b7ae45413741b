"""A number that is linked anew is told its groups' history; its drops are work like any other."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from contracts.heard import HeardMessage, parse_heard
from tests.conftest import call, eventually
from tests.scenarios.conftest import BRIDGES, NUMBERS, Field, group_of

TECHNICIAN = "27820000471"
BOTH, MISSED, UNHEARD = "DR8300001", "DR8300002", "DR8300003"


def _members(field: Field, *, there: bool) -> None:
    """Put both numbers into the group, or take them out."""
    path = f"/api/groups/{quote(group_of('History'))}/members"
    for phone in NUMBERS.values():
        if there:
            field.post(path, phone=phone)
        else:
            url = f"{field.stack.url('simulator', 8090)}{path}/{phone}"
            assert call(url, method="DELETE").status == 200


def _linked_anew(field: Field, bridge: str) -> None:
    """Log the bridge's number out, and link it again by the 8 characters that an operator asks for.

    A refusal asks WhatsApp for nothing: the first answer with a code is the only one.
    """
    field.hurt(bridge, "logged_out")
    field.write("History", TECHNICIAN, MISSED)

    def code() -> str:
        said = field.stack.compose(
            "exec", "-T", BRIDGES[bridge], "python", "-m", "bridge", "pairing-code", check=False
        )
        return str(json.loads(said)["code"] or "") if said.startswith("{") else ""

    given = eventually(f"{bridge} gives a code", code, 240)
    pairing = call(f"{field.stack.url(BRIDGES[bridge], 8080)}/pairing").json
    assert (pairing["state"], pairing["code"]) == ("waiting", given)
    field.post("/api/pair", code=given, phone=NUMBERS[bridge])


def _tell(field: Field, bridge: str) -> None:
    """Let the phone tell the bridge its history."""
    (jid,) = [one["jid"] for one in field.get("/api/devices") if one["phone"] == NUMBERS[bridge]]
    field.post(f"/api/devices/{quote(jid)}/history")


def _heard(field: Field, bridge: str) -> dict[str, HeardMessage]:
    """What the bridge tells its peer of the group, by id."""
    token = field.stack.compose("exec", "-T", BRIDGES[bridge], "cat", "/secrets/api-token").strip()
    url = f"{field.stack.url(BRIDGES[bridge], 8080)}/heard"
    found: dict[str, HeardMessage] = {}
    after = -1
    window = parse_heard(call(f"{url}?after=0", token=token).body)
    while window.next > after:
        found |= {one.id: one for one in window.messages if one.chat == group_of("History")}
        after = window.next
        window = parse_heard(call(f"{url}?after={after}", token=token).body)
    return found


def _mentions(field: Field) -> dict[str, list[Any]]:
    """The ledger's mentions of the group: by drop, who heard each."""
    found: dict[str, list[Any]] = {}
    for row in field.sql(
        "SELECT drop_number, heard_by FROM public.drop_mentions WHERE chat = %s",
        group_of("History"),
    ):
        found.setdefault(row["drop_number"], []).append(sorted(row["heard_by"]))
    return found


@pytest.mark.timeout(400)
def test_a_newly_linked_number_is_told_what_it_missed(field: Field) -> None:
    """What was written before its time, and what nobody heard, reaches its file and the ledger
    once; it accuses no peer of deafness; told again, nothing changes.
    """
    field.member("History", TECHNICIAN)
    ids = {BOTH: field.write("History", TECHNICIAN, BOTH)["id"]}
    _members(field, there=False)
    ids[UNHEARD] = field.write("History", TECHNICIAN, UNHEARD)["id"]
    _members(field, there=True)
    field.wait_interpreted()
    assert set(field.texts("backup", "History")) == {ids[BOTH]}

    _linked_anew(field, "backup")
    _tell(field, "backup")
    field.wait_connected("backup", 120)
    written = {row["id"]: row["text"] for row in field.ledger("History")}
    eventually("its file has all", lambda: field.texts("backup", "History") == written, 120)
    everybody = sorted(BRIDGES)
    told = {BOTH: [everybody], MISSED: [everybody], UNHEARD: [["backup"]]}
    eventually("the ledger has all", lambda: _mentions(field) == told, 120)

    heard = _heard(field, "backup")
    assert {drop for drop, id_ in ids.items() if heard[id_].witness} == {BOTH}
    assert not next(one for id_, one in heard.items() if written[id_] == MISSED).witness

    for bridge in BRIDGES:
        _tell(field, bridge)
    eventually("the peer's file has all", lambda: field.texts("primary", "History") == written, 120)
    told[UNHEARD] = [everybody]
    eventually("the ledger knows", lambda: _mentions(field) == told, 120)
    field.wait_interpreted()
    assert _mentions(field) == told
    reviews = field.sql(
        "SELECT drop_number, resubmitted FROM public.qa_photo_reviews WHERE project = %s"
        " ORDER BY drop_number",
        "History",
    )
    assert [(row["drop_number"], row["resubmitted"]) for row in reviews] == [
        (drop, False) for drop in (BOTH, MISSED, UNHEARD)
    ]
    for bridge in BRIDGES:
        field.wait_connected(bridge, 120)
