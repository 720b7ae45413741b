"""config/stack.yaml and the command that checks both files."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.problems import ConfigurationError
from contracts.stack import BridgeEntry, load_stack

CONFIG = Path(__file__).parents[2] / "config"


def test_shipped_file() -> None:
    """The file that we ship has primary and backup, in this order, as the field knows them."""
    stack = load_stack(CONFIG / "stack.yaml")

    assert stack.bridges == (
        BridgeEntry("primary", "064", "PRIMARY_NUMBER", 8080, ""),
        BridgeEntry("backup", "082", "BACKUP_NUMBER", 8082, "[BACKUP] "),
    )
    assert stack.bridge("backup") is stack.bridges[1]
    assert stack.bridge("sender") is None


def test_everything_at_once(tmp_path: Path) -> None:
    """Every mistake is told in one go; names, ports and prefixes belong to one bridge each."""
    path = tmp_path / "stack.yaml"
    bridge = (
        "{name: primary, label: '064', number_env: A, published_port: 8080, log_prefix: '[A] '}"
    )
    path.write_text(
        f"""
        bridges:
          - {bridge}
          - {bridge}
          - {{name: Primary!, label: 64, number_env: 0A, published_port: 80}}
        timings:
          pairing_turn_s: 0
          pairing_turn_ms: 5
          suspect_s: 60
          deaf_s: 59
        alerts:
          working_days: [mon, sonday]
          working_hours: 18:00-07:00
          near_misses_at: 16:30
        """
    )

    with pytest.raises(ConfigurationError) as refused:
        load_stack(path)

    told = {(problem.key, problem.reason.split(":")[0]) for problem in refused.value.problems}
    assert told == {
        ("bridges[1].name", "stands in two bridges"),
        ("bridges[1].label", "stands in two bridges"),
        ("bridges[1].number_env", "stands in two bridges"),
        ("bridges[1].published_port", "stands in two bridges"),
        ("bridges[1].log_prefix", "stands in two bridges"),
        ("bridges[2].name", "a name has at most 20 small letters, digits and hyphens"),
        ("bridges[2].label", "must be text"),
        ("bridges[2].number_env", "not the name of an environment variable"),
        ("bridges[2].published_port", "must be between 1024 and 65535"),
        ("timings.deaf_s", "must not be below suspect_s (60)"),
        ("timings.pairing_turn_s", "must be between 1 and 3600"),
        ("alerts.working_days", "must be one of mon, tue, wed, thu, fri, sat, sun"),
        ("alerts.working_hours", "must begin before they end"),
        ("alerts.near_misses_at", "must be text"),
        (
            "timings.pairing_turn_ms",
            "unknown key; known are deaf_s, pairing_turn_s, suspect_s, unproven_h",
        ),
    }


def check(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command that people run, with these variables only."""
    return subprocess.run(
        [sys.executable, "-m", "contracts.check", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=CONFIG.parent,
        env=environment,
    )


def test_check_of_what_we_ship() -> None:
    """The check of our own files succeeds and says what is configured."""
    done = check(CONFIG)

    assert (done.returncode, done.stderr) == (0, "")
    assert "Velo Test (prod, dev)" in done.stdout
    assert "Bridges: primary, backup" in done.stdout


def test_check_of_two_wrong_files(tmp_path: Path) -> None:
    """The check exits 78 and has one line for every mistake, from both files."""
    folder = tmp_path / "config"
    shutil.copytree(CONFIG, folder)
    for name in ("projects.yaml", "stack.yaml"):
        with (folder / name).open("a") as file:
            file.write("\ntypo: 1\n")

    done = check(folder)

    assert done.returncode == 78
    assert [line.split(" = ")[0] for line in done.stderr.splitlines()] == [
        "config/projects.yaml: typo",
        "config/stack.yaml: typo",
    ]


def test_check_of_a_wrong_environment() -> None:
    """The variables of .env are judged too; neither a number nor a password is shown."""
    done = check(
        CONFIG,
        PRIMARY_NUMBER="0820000001",
        BACKUP_NUMBER="27820000002",
        DATABASE_URL="mysql://twinbridge:secret@elsewhere/twinbridge",
        LOG_LEVEL="loud",
        LOG_FORMAT="JSON",
        ALERT_URLS="json://right secret-and-no-address",
        HEARTBEAT_URL="hc-ping.com/secret",
    )

    assert done.returncode == 78
    assert [line.split(": ")[1].split(" = ")[0] for line in done.stderr.splitlines()] == [
        "PRIMARY_NUMBER",
        "DATABASE_URL",
        "ALERT_URLS",
        "HEARTBEAT_URL",
        "LOG_LEVEL",
    ]
    assert "secret" not in done.stderr
    assert "0820000001" not in done.stderr


def test_check_of_one_number_for_two_bridges() -> None:
    """Two bridges on one number are one witness, and the check says so."""
    done = check(CONFIG, PRIMARY_NUMBER="27820000001", BACKUP_NUMBER="+27 82 000 0001")

    assert done.returncode == 78
    assert "BACKUP_NUMBER: is the number of bridge primary too" in done.stderr


def test_check_of_a_right_environment() -> None:
    """Numbers with blanks, Neon's own URL and any case of the log's words are right."""
    done = check(
        CONFIG,
        PRIMARY_NUMBER="+27 82 000 0001",
        BACKUP_NUMBER="27820000002",
        DATABASE_URL="postgresql://u:p@ep-x.neon.tech/db?sslmode=require&channel_binding=require",
        LOG_LEVEL="debug",
    )

    assert (done.returncode, done.stderr) == (0, "")
