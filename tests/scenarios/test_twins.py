"""Two bridges that do not know the same: the number behind a LID, and whose number it is."""

from urllib.parse import quote

import pytest

from tests.conftest import call, eventually
from tests.scenarios.conftest import BRIDGES, NUMBERS, Field, group_of

TECHNICIAN = "27000000701"


@pytest.mark.timeout(180)
def test_one_bridge_knows_the_number_behind_a_lid_and_the_other_does_not(field: Field) -> None:
    """In a group that hides numbers both hear one message; only the primary shares another group
    with the technician, where the number shows. One mention, one row, no resubmission, and the row
    has the number.
    """
    elsewhere, hidden = "120363990000008801@g.us", group_of("Twins")
    field.post("/api/accounts", phone=TECHNICIAN, name="Technician 701")
    field.post("/api/groups", jid=elsewhere, subject="Elsewhere", addressing="lid")
    for phone in (NUMBERS["primary"], TECHNICIAN):
        field.post(f"/api/groups/{quote(elsewhere)}/members", phone=phone)
    field.write("Twins", TECHNICIAN, "good morning", group=elsewhere)
    field.member("Twins", TECHNICIAN)
    row = field.write("Twins", TECHNICIAN, "DR7700001")
    assert row["number_hidden"]

    def mention() -> list[dict[str, object]]:
        return field.sql(
            "SELECT author_lid, author_pn, heard_by FROM public.drop_mentions"
            " WHERE drop_number = 'DR7700001'"
        )

    eventually("both heard it", lambda: mention() and len(mention()[0]["heard_by"]) == 2)  # type: ignore[arg-type]
    eventually("the number is known", lambda: mention()[0]["author_pn"] == TECHNICIAN)
    assert len(mention()) == 1
    reviews = field.sql(
        "SELECT submitted_by, resubmitted FROM public.qa_photo_reviews"
        " WHERE drop_number = 'DR7700001'"
    )
    assert reviews == [{"submitted_by": TECHNICIAN, "resubmitted": False}]
    known = {
        bridge: field.stored(bridge, "SELECT sender FROM messages WHERE id = ?", row["id"])
        for bridge in BRIDGES
    }
    assert known["primary"] == [{"sender": TECHNICIAN}]
    assert known["backup"] == [{"sender": row["sender_lid"]}], "or the twins knew the same"
    assert row["chat"] == hidden


@pytest.mark.timeout(180)
def test_a_second_process_on_one_session_is_refused(field: Field) -> None:
    """The session has one owner: another process ends with a sentence and exit code 75."""
    service = BRIDGES["primary"]
    refused = field.stack.compose(
        *("run", "--rm", "--no-deps", "-T", service), check=False, merge=True
    )
    assert "another process" in refused
    assert field.health("primary").status == 200
    assert call(f"{field.stack.url(service, 8080)}/live").status == 200
