"""The settings of a bridge: everything wrong at once, nothing secret shown."""

from pathlib import Path

import pytest

from bridge.settings import read_settings
from contracts.problems import ConfigurationError

PROJECTS = """
projects:
  - name: Lawley
    group: 120363418298130331@g.us
"""
STACK = """
bridges:
  - {name: primary, label: "064", number_env: PRIMARY_NUMBER, published_port: 8080}
  - {name: backup, label: "082", number_env: BACKUP_NUMBER, published_port: 8082,
     log_prefix: "[BACKUP] "}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A directory as people edit it."""
    (tmp_path / "projects.yaml").write_text(PROJECTS, encoding="utf-8")
    (tmp_path / "stack.yaml").write_text(STACK, encoding="utf-8")
    return tmp_path


def _environment(config: Path, **more: str) -> dict[str, str]:
    return {"CONFIG_DIRECTORY": str(config), "BRIDGE_NAME": "backup"} | more


def test_a_bridge_finds_itself_and_those_before_it_in_the_stack(config: Path) -> None:
    """Names, labels and prefixes come from the stack's file; the numbers from the machine."""
    numbers = {"PRIMARY_NUMBER": "27820000001", "BACKUP_NUMBER": "+27 82 000 0002"}
    settings = read_settings(_environment(config, **numbers))
    assert (settings.name, settings.label, settings.log_prefix) == ("backup", "082", "[BACKUP] ")
    assert settings.expected_number == "27820000002"
    assert [peer.url for peer in settings.predecessors] == ["http://bridge-primary:8080"]
    assert [peer.number for peer in settings.peers] == ["27820000001"]
    assert "bridge-backup" in settings.hosts
    assert settings.trust_root == "whatsapp"


def test_the_first_bridge_waits_for_nobody(config: Path) -> None:
    """The order in the file is the order of pairing."""
    settings = read_settings(_environment(config, BRIDGE_NAME="primary"))
    assert settings.predecessors == ()
    assert [peer.name for peer in settings.peers] == ["backup"]


def test_everything_wrong_is_told_at_once(config: Path) -> None:
    """Nobody corrects one mistake per restart."""
    (config / "projects.yaml").write_text("projects: [{name: Lawley, group: nonsense}]", "utf-8")
    environment = _environment(
        config,
        BRIDGE_NAME="primary",
        PRIMARY_NUMBER="0820000001x",
        LOG_LEVEL="LOUD",
        LOG_FORMAT="xml",
        PORT="eighty",
        DATABASE_URL="postgresql://u:secret@h/d",
        DATABASE_URL_FILE="/run/secrets/url",
    )
    with pytest.raises(ConfigurationError) as wrong:
        read_settings(environment)
    keys = {problem.key for problem in wrong.value.problems}
    assert {"PRIMARY_NUMBER", "LOG_LEVEL", "LOG_FORMAT", "PORT", "DATABASE_URL"} <= keys
    assert any("group" in key for key in keys)
    assert "secret" not in str(wrong.value)


def test_a_name_that_is_no_bridge_is_refused_with_those_that_are(config: Path) -> None:
    """A typo would create a third bridge_source for ever."""
    with pytest.raises(ConfigurationError, match="one of primary, backup"):
        read_settings(_environment(config, BRIDGE_NAME="primay"))


def test_one_number_for_two_bridges_is_refused_before_anything_starts(config: Path) -> None:
    """Two bridges on one account are one witness; the number itself is not shown."""
    both = {"PRIMARY_NUMBER": "27820000001", "BACKUP_NUMBER": "27820000001"}
    with pytest.raises(ConfigurationError, match="two bridges need two numbers") as wrong:
        read_settings(_environment(config, **both))
    assert "27820000001" not in str(wrong.value)


def test_no_numbers_are_allowed_since_the_number_is_often_not_known_before_pairing(
    config: Path,
) -> None:
    """Not checked, and health says so."""
    assert read_settings(_environment(config)).expected_number == ""


def test_a_missing_file_is_a_problem_like_any_other(config: Path) -> None:
    """With the file's name, not a traceback."""
    (config / "stack.yaml").unlink()
    with pytest.raises(ConfigurationError, match=r"stack\.yaml"):
        read_settings(_environment(config))
