"""Every way in which a connection breaks, in both bridges in turn, while technicians write."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import call, eventually
from tests.scenarios.conftest import BRIDGES, NUMBERS, Field, group_of

TECHNICIAN = "27000000951"
PEER = {"primary": "backup", "backup": "primary"}
both = pytest.mark.parametrize("bridge", list(BRIDGES))


@pytest.fixture
def field_of_faults(field: Field) -> Iterator[Field]:
    """The field with a technician in the group; what stands is lifted after the story."""
    field.member("Faults", TECHNICIAN)
    yield field
    for bridge in BRIDGES:
        field.heal(bridge)
        field.wait_connected(bridge)


def _write_on(field: Field, count: int, rate: int = 10) -> None:
    """Technicians write for `count / rate` seconds."""
    body = {"group": group_of("Faults"), "sender": TECHNICIAN, "kind": "text"}
    messages = [body | {"text": f"photo {number}"} for number in range(count)]
    field.post("/api/messages/bulk", messages=messages, rate=rate)


def _ids(field: Field) -> set[str]:
    return {row["id"] for row in field.ledger("Faults")}


def _complete(field: Field, bridge: str, before: AbstractSet[str] = frozenset()) -> None:
    """The bridge's file has all that was ever written into the group, but for what was `before`."""
    field.wait_interpreted()
    assert set(field.texts(bridge, "Faults")) - before == _ids(field) - before


def _word(field: Field, bridge: str, word: str) -> None:
    eventually(f"{bridge} is {word}", lambda: field.part(bridge, "whatsapp")["word"] == word)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", ["close", "abort", "refused", "duplicate"])
@both
def test_what_comes_back_by_itself_loses_nothing(
    field_of_faults: Field, bridge: str, fault: str
) -> None:
    """Neither file lacks a message of the flow, and nobody has to do anything."""
    field = field_of_faults
    with ThreadPoolExecutor(1) as technicians:
        flow = technicians.submit(_write_on, field, 60)
        eventually("the flow has begun", lambda: field.ledger("Faults"))
        field.hurt(bridge, fault)
        if fault == "refused":
            eventually(f"{bridge} says so", lambda: field.health(bridge).status == 503)
            assert field.health(PEER[bridge]).status == 200
        flow.result()
    field.heal(bridge)
    field.wait_connected(bridge, 120)
    for name in BRIDGES:
        _complete(field, name)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("fault", "word"), [("replaced", "replaced"), ("outdated", "client outdated")]
)
@both
def test_a_final_word_is_no_war(field_of_faults: Field, bridge: str, fault: str, word: str) -> None:
    """The bridge stops, says so and leaves the server alone; a person's restart brings it back
    with all that was written meanwhile.
    """
    field = field_of_faults
    field.hurt(bridge, fault)
    _word(field, bridge, word)
    _write_on(field, 20)
    health = field.health(bridge)
    assert health.status == 503
    assert not health.json["connected"]
    field.heal(bridge)  # it would be let in now, if it tried
    _write_on(field, 20)
    assert field.part(bridge, "whatsapp")["word"] == word
    assert field.health(PEER[bridge]).status == 200
    field.stack.compose("restart", "--timeout", "30", BRIDGES[bridge])
    field.wait_connected(bridge)
    _complete(field, bridge)


@pytest.mark.timeout(300)
def test_a_ban_is_waited_out(field_of_faults: Field) -> None:
    """The bridge does not knock while it is banned, and comes back by itself afterwards."""
    field = field_of_faults
    field.hurt("backup", "banned", seconds=20)
    _word(field, "backup", "banned")
    _write_on(field, 20)
    assert field.health("backup").status == 503
    field.wait_connected("backup", 150)
    _complete(field, "backup")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", ["logged_out", "logged_out_at_connect"])
@both
def test_a_logged_out_number_is_paired_again(
    field_of_faults: Field, bridge: str, fault: str
) -> None:
    """The bridge asks to be paired, its old session is kept, and its peer has what it missed."""
    field = field_of_faults
    before = _ids(field)  # a number that was paired again lacks what came before; see its peer
    field.hurt(bridge, fault)

    def code() -> str:
        shown = call(f"{field.stack.url(BRIDGES[bridge], 8080)}/pairing").json
        return str(shown.get("qr") or "")

    shown = eventually(f"{bridge} shows a code", code)
    kept = field.stack.compose("exec", "-T", BRIDGES[bridge], "find", "/session/logged-out")
    assert "whatsapp.db" in kept
    _write_on(field, 20)
    field.post("/api/pair", qr=shown, phone=NUMBERS[bridge])
    field.wait_connected(bridge)
    row = field.write("Faults", TECHNICIAN, "after pairing")
    _complete(field, PEER[bridge], before)
    eventually(f"{bridge} hears again", lambda: row["id"] in field.texts(bridge, "Faults"), 60)
