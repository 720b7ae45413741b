"""The main job: a message in a group becomes one row."""

import json

from tests.conftest import docker, eventually
from tests.scenarios.conftest import BRIDGES, Field


def test_a_message_becomes_one_row_by_whichever_bridge_was_first(field: Field) -> None:
    """One message, two bridges, one row; both files hold it, and the row says who was first."""
    field.member("Story", "27000000301")
    row = field.write("Story", "27000000301", "dr 7100001 done")
    eventually(
        "both bridges heard it", lambda: _heard_by(field, "DR7100001") == list(BRIDGES)[::-1]
    )
    reviews = field.sql(
        "SELECT project, submitted_by, bridge_source, resubmitted FROM public.qa_photo_reviews"
        " WHERE drop_number = 'DR7100001'"
    )
    assert len(reviews) == 1
    assert reviews[0]["project"] == "Story"
    assert reviews[0]["submitted_by"] == "27000000301"
    assert reviews[0]["bridge_source"] in BRIDGES
    assert not reviews[0]["resubmitted"], "the other bridge's copy is no resubmission"
    for bridge in BRIDGES:
        assert field.texts(bridge, "Story")[row["id"]] == "dr 7100001 done"


def test_the_bridges_run_the_production_image(field: Field) -> None:
    """The launcher is mounted into the image that production runs; nothing else is different."""
    production = json.loads(docker("compose", "config", "--format", "json"))
    for service in BRIDGES.values():
        named = production["services"][service]["image"]
        expected = docker("image", "inspect", "--format", "{{.Id}}", named).strip()
        assert field.stack.inspect(service)["Image"] == expected


def test_logs_name_the_backup_and_no_phone_number(field: Field) -> None:
    """Each line of the backup says so, and no log holds a phone number."""
    for bridge, service in BRIDGES.items():
        done = docker("logs", field.stack.container(service), merge=True)
        lines = [line for line in done.splitlines() if line.strip()]
        assert lines
        assert all(line.startswith("[BACKUP]") for line in lines) == (bridge == "backup")
        assert "2782000000" not in done
        assert "27000000" not in done


def _heard_by(field: Field, drop: str) -> list[str]:
    rows = field.sql("SELECT heard_by FROM public.drop_mentions WHERE drop_number = %s", drop)
    return rows[0]["heard_by"] if rows else []
