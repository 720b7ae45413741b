"""A configured group that no number of the stack is in."""

from urllib.parse import quote

import pytest
import yaml

from tests.conftest import eventually
from tests.scenarios.conftest import BRIDGES, NUMBERS, Field

PROJECT = "Mamelodi"


@pytest.mark.timeout(300)
def test_a_group_that_nobody_is_in_is_named_until_somebody_is(field: Field) -> None:
    """Nothing written there is captured, so both bridges name it; a number that is added to the
    group is noticed by itself.
    """
    projects = yaml.safe_load((field.config / "projects.yaml").read_text())["projects"]
    group = next(one["group"] for one in projects if one["name"] == PROJECT)

    def named(bridge: str) -> bool:
        part = field.part(bridge, "groups")
        return part["word"] == "nobody" and PROJECT in part["reason"]

    for bridge in BRIDGES:
        eventually(f"{bridge} names the group", lambda b=bridge: named(b), 120)  # type: ignore[misc]
    field.post("/api/groups", jid=group, subject=PROJECT, addressing="lid")
    field.post(f"/api/groups/{quote(group)}/members", phone=NUMBERS["backup"])
    for bridge in BRIDGES:
        eventually(f"{bridge} knows better", lambda b=bridge: not named(b), 120)  # type: ignore[misc]
    assert field.part("primary", "groups")["ok"] is False
