"""Connected but deaf: the socket is up, pings are answered, and nothing arrives."""

from collections.abc import Iterator

import pytest

from tests.conftest import eventually
from tests.scenarios.conftest import BRIDGES, NUMBERS, Field, group_of

TECHNICIAN = "27000000801"
PEER = {"primary": "backup", "backup": "primary"}


@pytest.fixture
def healed(field: Field) -> Iterator[Field]:
    """The field; whatever a story did to a bridge is lifted after it."""
    yield field
    for bridge in BRIDGES:
        field.heal(bridge)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("bridge", list(BRIDGES))
@pytest.mark.parametrize("where", ["everywhere", "in one group"])
def test_a_deaf_bridge_says_so_and_gets_what_was_held_back(
    healed: Field, bridge: str, where: str
) -> None:
    """Its peer's ears accuse it by name of the group; its peer stays healthy. After it was asked to
    dial anew, or was restarted, it has what was held back and is healthy again: both files are
    complete.
    """
    field = healed
    field.member("Deaf", TECHNICIAN)
    field.write("Deaf", TECHNICIAN, f"good morning, {bridge} {where}")
    field.wait_interpreted()
    more = {} if where == "everywhere" else {"group": group_of("Deaf")}
    field.hurt(bridge, "deaf", **more)
    written: list[str] = []

    def accused() -> bool:
        story = 2 * list(BRIDGES).index(bridge) + (where == "everywhere")
        number = 8_000_000 + 10_000 * story + len(written)
        written.append(field.write("Deaf", TECHNICIAN, f"DR{number}")["id"])
        return bool(field.health(bridge).status == 503)

    eventually(f"{bridge} is not healthy", accused, 120)
    hearing = field.part(bridge, "hearing")
    assert hearing["word"] == "deaf"
    assert hearing["reason"].endswith("groups: Deaf")
    assert field.part(bridge, "whatsapp")["word"] == "connected"
    assert field.health(PEER[bridge]).status == 200

    assert field.health(bridge).json["ears"]["lacks"] >= 1
    if where == "everywhere":
        assert field.reconnect(bridge).status == 202
    else:
        field.stack.compose("restart", "--timeout", "30", BRIDGES[bridge])
    field.wait_connected(bridge)
    field.wait_interpreted()
    assert field.part(bridge, "hearing")["ok"]
    for name in BRIDGES:
        assert set(written) <= set(field.texts(name, "Deaf")), name
    ledger = {row["id"] for row in field.ledger("Deaf")}
    assert set(field.texts(bridge, "Deaf")) == ledger


@pytest.mark.timeout(180)
def test_a_bridge_that_is_no_member_is_not_deaf(field: Field) -> None:
    """One number in a group: the other one misses everything there, and nobody calls it deaf."""
    elsewhere = "120363990000008802@g.us"
    field.post("/api/groups", jid=elsewhere, subject="Only one", addressing="pn")
    for phone in (NUMBERS["primary"], TECHNICIAN):
        field.post("/api/accounts", phone=phone, name=phone)
        field.post(f"/api/groups/{elsewhere}/members", phone=phone)
    row = field.write("Deaf", TECHNICIAN, "for one pair of ears", group=elsewhere)
    old = "SELECT 1 FROM message WHERE id = ? AND received_at < (unixepoch() - 20) * 1000"
    eventually(
        "it has been missing for longer than it takes to be called deaf",
        lambda: field.stored("primary", old, row["id"]),
    )
    assert field.part("backup", "hearing")["ok"]
    assert field.health("backup").status == 200
