"""The verdict on a monitor, and the settings that it is started with."""

from dataclasses import replace
from pathlib import Path

import pytest

from contracts.problems import ConfigurationError
from monitor.health import Facts, Following, judge, judge_life
from monitor.settings import read_settings
from tests.conftest import ROOT

WELL = Facts(
    following=Following("primary", "a-store", 10, 12),
    file_trouble=None,
    file_missing=False,
    database_word="connected",
    database_reason="schema of prod",
    behind_s=1.0,
    refused=0,
    lacked=0,
    turned_s=0.1,
)


@pytest.mark.parametrize(
    ("change", "part", "word", "ok"),
    [
        ({}, "file", "reading", True),
        ({"following": Following()}, "file", "starting", False),
        (
            {"following": Following(), "file_trouble": "none", "file_missing": True},
            *("file", "absent", False),
        ),
        ({"file_trouble": "disk I/O error"}, "file", "unreadable", False),
        ({"database_word": "starting"}, "database", "starting", False),
        ({"database_word": "unreachable"}, "database", "unreachable", False),
        ({"database_word": "refused"}, "database", "refused", False),
        ({"behind_s": 61.0}, "progress", "behind", False),
        ({"following": Following("primary", "s", None, 12)}, "progress", "waiting", True),
        ({"lacked": None}, "comparison", "pending", True),
        ({"lacked": 2}, "comparison", "lacking", False),
        ({"refused": 1}, "mentions", "refused", True),
    ],
)
def test_each_part_has_its_word(change: dict[str, object], part: str, word: str, ok: bool) -> None:
    """Whatever keeps drops from the reviews turns health to 503; a refused mention needs a person
    and stops no other.
    """
    verdict = judge(replace(WELL, **change))  # type: ignore[arg-type]
    assert {one.name: one.word for one in verdict.parts}[part] == word
    assert verdict.ok == ok


def test_a_monitor_without_anything_is_alive() -> None:
    """Neither file nor Postgres has to be there for /live; a loop that stands still is no life."""
    lonely = replace(WELL, following=Following(), file_missing=True, database_word="unreachable")
    assert judge_life(lonely).ok
    assert not judge_life(replace(lonely, turned_s=61.0)).ok


def test_everything_wrong_in_the_settings_is_told_at_once(tmp_path: Path) -> None:
    """An environment that does not exist, a port, two databases, files that are missing."""
    wrong = {
        "MONITOR_ENVIRONMENT": "production",
        "PORT": "many",
        "LOG_LEVEL": "loud",
        "DATABASE_URL": "postgresql://somewhere/x",
        "DATABASE_URL_FILE": "/etc/hostname",
        "CONFIG_DIRECTORY": str(tmp_path),
    }
    with pytest.raises(ConfigurationError) as told:
        read_settings(wrong)
    keys = [problem.key for problem in told.value.problems]
    assert sorted(filter(None, keys)) == sorted(
        ["MONITOR_ENVIRONMENT", "PORT", "LOG_LEVEL", "DATABASE_URL"]
    )
    files = {problem.file.rpartition("/")[2] for problem in told.value.problems}
    assert {"projects.yaml", "stack.yaml"} <= files


def test_dev_has_a_role_of_its_own_in_the_same_database(tmp_path: Path) -> None:
    """Its URL keeps host, database and parameters, with the role's name and the drawn password;
    `prod` has the URL as it is.
    """
    (tmp_path / "dev-password").write_text("s/e:c\n")
    url = "postgresql://me:mine@db.example:6432/reviews?sslmode=require&channel_binding=require"
    environment = {
        "CONFIG_DIRECTORY": str(ROOT / "config"),
        "SECRETS_DIRECTORY": str(tmp_path),
        "DATABASE_URL": url,
    }
    dev = read_settings(environment | {"MONITOR_ENVIRONMENT": "dev"})
    prod = read_settings(environment | {"MONITOR_ENVIRONMENT": "prod"})
    assert (
        dev.database_url()
        == "postgresql://reviews_dev:s%2Fe%3Ac@db.example:6432/reviews?sslmode=require"
    )
    assert prod.database_url() == "postgresql://me:mine@db.example:6432/reviews?sslmode=require"
    assert (dev.log_file, prod.log_file) == ("wa-monitor-dev.log", "wa-monitor-prod.log")
