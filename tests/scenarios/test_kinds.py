"""Each kind of message, and the ways in which people and forgers change what was said."""

from typing import Any

import pytest

from tests.conftest import eventually
from tests.scenarios.conftest import BRIDGES, NUMBERS, Field

TECHNICIAN, FORGER, ADMIN = "27000000401", "27000000402", "27000000403"


@pytest.fixture(scope="module")
def kinds(field: Field) -> Field:
    """The group of this file with its technician, its forger and its admin."""
    field.member("Kinds", TECHNICIAN)
    field.member("Kinds", FORGER)
    field.member("Kinds", ADMIN, role="admin")
    return field


def mentions(field: Field, drop: str) -> list[dict[str, Any]]:
    """The ledger's rows of a drop."""
    return field.sql(
        "SELECT message_id, withdrawn, heard_by, author_lid, author_pn FROM public.drop_mentions"
        " WHERE drop_number = %s",
        drop,
    )


def heard_by_both(field: Field, drop: str) -> bool:
    """Whether both bridges have published a mention of the drop."""
    return any(len(row["heard_by"]) == len(BRIDGES) for row in mentions(field, drop))


def settled(field: Field) -> None:
    """Wait until a marker written now has gone all the way through both bridges."""
    number = 7_490_000 + field.get("/api/state")["messages"]
    field.write("Kinds", TECHNICIAN, f"DR{number}")
    eventually("the marker is heard by both", lambda: heard_by_both(field, f"DR{number}"))


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("text", 7_400_001),
        ("extended", 7_400_002),
        ("image", 7_400_003),
        ("document", 7_400_004),
        ("ephemeral", 7_400_005),
        ("view_once", 7_400_006),
        ("mention", 7_400_007),
    ],
)
def test_a_drop_is_found_in_every_kind_of_message(kinds: Field, kind: str, number: int) -> None:
    """Texts, captions, disappearing and view-once messages all count."""
    row = kinds.write("Kinds", TECHNICIAN, f"DR{number} ready", kind=kind)
    eventually(f"{kind} is heard by both", lambda: heard_by_both(kinds, f"DR{number}"))
    for bridge in BRIDGES:
        assert kinds.texts(bridge, "Kinds")[row["id"]] == f"DR{number} ready"


def test_a_quoted_drop_is_not_a_mention(kinds: Field) -> None:
    """A reply names what it says itself, never what it quotes."""
    first = kinds.write("Kinds", TECHNICIAN, "DR7400011")
    answer = kinds.write("Kinds", ADMIN, "seen, thanks", kind="reply", target=first["id"])
    settled(kinds)
    assert [row["message_id"] for row in mentions(kinds, "DR7400011")] == [first["id"]]
    for bridge in BRIDGES:
        assert kinds.texts(bridge, "Kinds")[answer["id"]] == "seen, thanks"


def test_an_edit_that_adds_a_drop_adds_a_mention(kinds: Field) -> None:
    """The union over all versions counts; what an edit takes away is marked withdrawn."""
    first = kinds.write("Kinds", TECHNICIAN, "DR7400021")
    kinds.write("Kinds", TECHNICIAN, "DR7400022", kind="edit", target=first["id"])
    eventually("the added drop is heard by both", lambda: heard_by_both(kinds, "DR7400022"))
    eventually(
        "the drop that was edited away is withdrawn",
        lambda: [row["withdrawn"] for row in mentions(kinds, "DR7400021")] == [True],
    )
    reviews = kinds.sql(
        "SELECT drop_number FROM public.qa_photo_reviews WHERE drop_number = 'DR7400021'"
    )
    assert reviews, "no row is ever taken away by an edit"
    for bridge in BRIDGES:
        assert kinds.texts(bridge, "Kinds")[first["id"]] == "DR7400022"


def test_an_edit_may_come_before_its_message(kinds: Field) -> None:
    """An edit of an unknown message waits for it."""
    identity = "EDITEDBEFORE01"
    kinds.write(
        *("Kinds", TECHNICIAN, "DR7400032"),
        kind="edit",
        target=identity,
        target_sender=TECHNICIAN,
    )
    settled(kinds)
    assert mentions(kinds, "DR7400032") == []
    kinds.write("Kinds", TECHNICIAN, "DR7400031", id=identity)
    eventually("the edit counts", lambda: heard_by_both(kinds, "DR7400032"))
    for bridge in BRIDGES:
        assert kinds.texts(bridge, "Kinds")[identity] == "DR7400032"


def test_a_forged_edit_and_a_forged_delete_change_nothing(kinds: Field) -> None:
    """Only the author may edit, only the author or an admin may delete."""
    first = kinds.write("Kinds", TECHNICIAN, "DR7400041")
    kinds.write("Kinds", FORGER, "DR7400042", kind="edit", target=first["id"])
    kinds.write("Kinds", FORGER, kind="delete", target=first["id"])
    settled(kinds)
    assert mentions(kinds, "DR7400042") == []
    assert [row["withdrawn"] for row in mentions(kinds, "DR7400041")] == [False]
    for bridge in BRIDGES:
        assert kinds.texts(bridge, "Kinds")[first["id"]] == "DR7400041"


@pytest.mark.parametrize(("who", "number"), [(TECHNICIAN, 7_400_051), (ADMIN, 7_400_052)])
def test_a_delete_marks_the_message_and_keeps_the_row(kinds: Field, who: str, number: int) -> None:
    """By its author or an admin: `deleted` is set, the mention withdrawn, the review stays."""
    first = kinds.write("Kinds", TECHNICIAN, f"DR{number}")
    eventually("it is heard by both", lambda: heard_by_both(kinds, f"DR{number}"))
    kinds.write("Kinds", who, kind="delete", target=first["id"])
    eventually(
        "the mention is withdrawn",
        lambda: [row["withdrawn"] for row in mentions(kinds, f"DR{number}")] == [True],
    )
    settled(kinds)
    for bridge in BRIDGES:
        rows = kinds.stored(bridge, "SELECT deleted FROM messages WHERE id = ?", first["id"])
        assert rows == [{"deleted": 1}]
    assert kinds.sql(
        "SELECT 1 AS there FROM public.qa_photo_reviews WHERE drop_number = %s", f"DR{number}"
    )


def test_two_senders_with_one_id_in_opposite_order(kinds: Field) -> None:
    """Both messages are kept in both files, whichever a bridge heard first."""
    identity = "ONEIDTWOSENDERS1"
    late = NUMBERS["backup"]
    kinds.write("Kinds", TECHNICIAN, "DR7400061", id=identity, hold=[late])
    kinds.write("Kinds", FORGER, "DR7400062", id=identity)
    assert kinds.post("/api/release", phone=late)["released"] == 1
    settled(kinds)
    for bridge in BRIDGES:
        rows = kinds.stored(
            bridge, "SELECT content FROM messages WHERE id = ? ORDER BY content", identity
        )
        assert [row["content"] for row in rows] == ["DR7400061", "DR7400062"]


def test_a_message_of_our_own_number_is_stored_and_never_a_mention(kinds: Field) -> None:
    """The bridges' own numbers may write about drops; that is no submission."""
    row = kinds.write("Kinds", NUMBERS["backup"], "DR7400071 needs a photo")
    settled(kinds)
    assert mentions(kinds, "DR7400071") == []
    for bridge in BRIDGES:
        assert kinds.texts(bridge, "Kinds")[row["id"]] == "DR7400071 needs a photo"
