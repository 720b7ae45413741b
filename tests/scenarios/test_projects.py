"""Adding a project is one entry; what was stored for its group before counts."""

from dataclasses import replace

import pytest
import yaml

from tests.conftest import eventually
from tests.scenarios.conftest import BRIDGES, Field, group_of


@pytest.mark.timeout(180)
def test_adding_a_project_replays_what_was_stored_for_its_group(field: Field) -> None:
    """A group that no project names is stored, not published, and counted in health; with the
    entry in projects.yaml and a restart its earlier messages become rows.
    """
    field.member("Replayed", "27000000801")
    row = field.write("Replayed", "27000000801", "DR7800001 before there was a project")
    for bridge in BRIDGES:
        eventually(
            f"{bridge} stored it",
            lambda b=bridge: row["id"] in field.texts(b, "Replayed"),  # type: ignore[misc]
        )
    eventually(
        "health counts what no project is for",
        lambda: "unconfigured groups" in str(field.health("primary").json),
    )
    assert (
        field.sql("SELECT 1 AS one FROM public.qa_photo_reviews WHERE project = 'Replayed'") == []
    )

    file = field.config / "projects.yaml"
    projects = yaml.safe_load(file.read_text())
    projects["projects"].append({"name": "Replayed", "group": group_of("Replayed")})
    file.write_text(yaml.safe_dump(projects, sort_keys=False))
    field.stack.compose("restart", "--timeout", "20", *BRIDGES.values())
    eventually(
        "the earlier message has its row",
        lambda: field.sql(
            "SELECT 1 AS one FROM public.qa_photo_reviews WHERE drop_number = 'DR7800001'"
        ),
    )
    for bridge in BRIDGES:
        field.wait_connected(bridge)


@pytest.mark.timeout(180)
def test_a_wrong_configuration_is_refused_with_every_mistake(field: Field) -> None:
    """Two mistakes in projects.yaml: both are named with file, key and value, and exit code 78."""
    wrong = field.config.parent / "wrong"
    wrong.mkdir()
    for file in field.config.iterdir():
        (wrong / file.name).write_bytes(file.read_bytes())
    projects = yaml.safe_load((wrong / "projects.yaml").read_text())
    projects["projects"][0]["group"] = "120363"
    projects["projects"][1]["colour"] = "blue"
    (wrong / "projects.yaml").write_text(yaml.safe_dump(projects))
    elsewhere = field.stack.environment | {"SCENARIO_CONFIG": str(wrong)}
    said = replace(field.stack, environment=elsewhere).compose(
        *("run", "--rm", "--no-deps", "-T", BRIDGES["backup"]), check=False, merge=True
    )
    assert "config/projects.yaml: projects[0].group = '120363'" in said
    assert "colour" in said
