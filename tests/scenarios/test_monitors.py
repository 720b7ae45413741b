"""The monitors of the composed stack: `prod` beside the publishing bridges, `dev` all by itself."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.conftest import docker, eventually
from tests.scenarios.conftest import Field

MONITORS = {"prod": "monitor-prod", "dev": "monitor-dev"}
SCHEMAS = {"prod": "public", "dev": "dev"}
ANNA, BEN = "27000000961", "27000000962"

ASK = """
import urllib.error, urllib.request
try:
    print(urllib.request.urlopen("http://127.0.0.1:8080/health", timeout=5).read().decode())
except urllib.error.HTTPError as refused:
    print(refused.read().decode())
"""


def health(field: Field, environment: str) -> Any:  # noqa: ANN401 - JSON
    """What a monitor says of itself; it is published nowhere, so it is asked from inside."""
    asked = ("exec", "-T", MONITORS[environment], "python", "-c", ASK)
    return json.loads(field.stack.compose(*asked, timeout=60))


def until_following(field: Field, bridge: str) -> None:
    """Wait until both monitors read that bridge's file, all of it, and the ledger lacks nothing."""
    for environment in MONITORS:

        def settled(environment: str = environment) -> bool:
            said = health(field, environment)
            words = {part["name"]: part["word"] for part in said["parts"]}
            follows = said["follows"]
            assert follows["bridge"] == bridge, said
            assert follows["read_seq"] == follows["seq"], said
            return bool(said["ok"] and words["comparison"] == "complete")

        eventually(f"monitor-{environment} reads {bridge} and has compared it", settled, 120)


@pytest.fixture(scope="module")
def monitored(field: Field) -> Iterator[Field]:
    """The stack with both monitors, which go again with this file."""
    field.stack.compose("up", "--detach", "--no-deps", *MONITORS.values())
    try:
        until_following(field, "primary")
        for project in ("Monitored", "Listed"):
            for phone in (ANNA, BEN):
                field.member(project, phone)
        yield field
    finally:
        field.stack.compose("rm", "--stop", "--force", *MONITORS.values())


def reviews(field: Field, environment: str, project: str) -> list[tuple[Any, ...]]:
    """Drop, sender and resubmission of each review of the project."""
    found = field.sql(
        "SELECT drop_number, submitted_by, resubmitted"  # noqa: S608 - constants
        f" FROM {SCHEMAS[environment]}.qa_photo_reviews WHERE project = %s ORDER BY 1",
        project,
    )
    return [tuple(row.values()) for row in found]


def until_reviews(field: Field, project: str, expected: list[tuple[Any, ...]]) -> None:
    """Wait until both environments have these; `dev` has only what a monitor brought."""
    for environment in MONITORS:

        def there(environment: str = environment) -> bool:
            found = reviews(field, environment, project)
            assert found == expected, found
            return True

        eventually(f"the reviews of {environment}", there, 90)


@pytest.mark.timeout(300)
def test_messages_become_reviews_through_a_monitor_alone(monitored: Field) -> None:
    """New drops, an edit, a delete and a resubmission: `dev`, where no bridge writes, comes to the
    rows of `prod`, and nothing of it is in the other schema.
    """
    # Each in a second of its own: within one, it is the id that decides which one was later.
    at = int(time.time()) - 60
    first = monitored.write("Monitored", ANNA, "DR7900001 done", at=at)
    edited = "DR7900001 DR7900002"
    monitored.write("Monitored", ANNA, edited, kind="edit", target=first["id"], at=at + 1)
    gone = monitored.write("Monitored", ANNA, "DR7900003", at=at + 2)
    monitored.write("Monitored", ANNA, kind="delete", target=gone["id"], at=at + 3)
    monitored.write("Monitored", BEN, "dr-7900001 again", at=at + 4)
    expected = [
        ("DR7900001", BEN, True),
        ("DR7900002", ANNA, False),
        ("DR7900003", ANNA, False),
    ]
    until_reviews(monitored, "Monitored", expected)
    flagged = "SELECT drop_number FROM {}.drop_mentions WHERE withdrawn AND project = 'Monitored'"
    for schema in SCHEMAS.values():
        eventually(
            f"the deleted drop is flagged in {schema}",
            lambda s=schema: monitored.sql(flagged.format(s)) == [{"drop_number": "DR7900003"}],  # type: ignore[misc]
        )
    assert not monitored.sql("SELECT 1 FROM dev.drop_mentions WHERE project = 'Story'")


@pytest.mark.timeout(300)
def test_a_list_of_valid_drops_decides_in_both(monitored: Field) -> None:
    """A drop outside the list is listed for somebody to look at, once, and becomes a review when it
    comes into the list.
    """

    def import_list(*drops: str) -> None:
        (monitored.config / "drops.csv").write_text("drop_number\n" + "\n".join(drops) + "\n")
        verb = ("python", "-m", "database", "import-valid-drops", "Listed", "/config/drops.csv")
        monitored.stack.compose("run", "--rm", "--no-deps", "-T", "database-migrate", *verb)

    import_list("DR7910001")
    monitored.write("Listed", ANNA, "DR7910001 and DR7910002")
    until_reviews(monitored, "Listed", [("DR7910001", ANNA, False)])
    invalid = "SELECT drop_number, reason FROM {}.invalid_drop_submissions WHERE project = 'Listed'"
    for schema in SCHEMAS.values():
        eventually(
            f"the other one is listed in {schema}",
            lambda s=schema: (
                monitored.sql(invalid.format(s))  # type: ignore[misc]
                == [{"drop_number": "DR7910002", "reason": "not_in_list"}]
            ),
        )
    import_list("DR7910002")
    until_reviews(monitored, "Listed", [("DR7910001", ANNA, False), ("DR7910002", ANNA, False)])
    assert not monitored.sql(invalid.format("dev"))


@pytest.mark.timeout(300)
def test_the_other_bridge_s_file_goes_on_where_this_one_was(monitored: Field) -> None:
    """By hand, with nothing but Compose, both monitors read the backup's file: they find nothing
    missing, what comes then is read from there, and back again.
    """
    other = replace(
        monitored.stack, environment=monitored.stack.environment | {"READ_FROM": "backup"}
    )
    before = reviews(monitored, "dev", "Monitored")
    other.compose("up", "--detach", "--no-deps", *MONITORS.values())
    until_following(monitored, "backup")
    monitored.write("Monitored", BEN, "DR7900009")
    until_reviews(monitored, "Monitored", [*before, ("DR7900009", BEN, False)])
    source = "SELECT bridge_source FROM dev.qa_photo_reviews WHERE drop_number = 'DR7900009'"
    assert monitored.sql(source) == [{"bridge_source": "backup"}]
    monitored.stack.compose("up", "--detach", "--no-deps", *MONITORS.values())
    until_following(monitored, "primary")
    assert reviews(monitored, "dev", "Monitored") == [*before, ("DR7900009", BEN, False)]


def test_a_monitor_has_messages_only_and_cannot_write_them(monitored: Field) -> None:
    """Its mounts are the one volume of messages, read-only, and no session; its log has its file,
    and neither of them a phone number.
    """
    for environment, service in MONITORS.items():
        mounts = {m["Destination"]: m for m in monitored.stack.inspect(service)["Mounts"]}
        assert mounts["/messages"]["Name"].endswith("_primary-messages")
        assert not mounts["/messages"]["RW"]
        assert not [m for m in mounts.values() if "session" in (m.get("Name") or "")]
        name = f"/logs/wa-monitor-{environment}.log"
        written = monitored.stack.compose("exec", "-T", service, "cat", name)
        said = docker("logs", monitored.stack.container(service), merge=True)
        assert "following" in written
        assert ANNA not in written + said
        assert "2782000000" not in written + said
