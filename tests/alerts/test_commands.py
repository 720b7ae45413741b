"""The service and its verbs as processes: what people type, and what they are answered."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alerts.book import Book
from alerts.judgement import Condition, Finding
from tests.alerts.sinks import SECRET, listening
from tests.conftest import ROOT, eventually

NUMBER = "27820000001"


def environment(volume: Path, **more: str) -> dict[str, str]:
    """What Compose gives to the service; nothing of this machine's."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {
        "CONFIG_DIRECTORY": str(ROOT / "config"),
        "ALERTS_DIRECTORY": str(volume),
        "SECRETS_DIRECTORY": str(volume),
        **more,
    }


def say(*words: str, volume: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a verb."""
    return subprocess.run(
        [sys.executable, "-m", "alerts", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment(volume, **more),
        timeout=150,
    )


@contextmanager
def serving(volume: Path, log: Path, **more: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The service on a port of its own, until it is asked to stop."""
    with (
        log.open("ab") as written,
        subprocess.Popen(
            [sys.executable, "-m", "alerts"],
            stderr=written,
            cwd=ROOT,
            env=environment(volume, PORT="0", **more),
        ) as process,
    ):
        try:
            eventually("alerts have started", lambda: "alerts started" in log.read_text(), 90)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


@pytest.mark.timeout(300)
def test_a_test_alert_goes_all_the_way(tmp_path: Path) -> None:
    """Through the outbox, the service, a child and Apprise into the sink; the service stops on
    SIGTERM with 0, leaves a closed book, and no log has a secret.
    """
    log = tmp_path / "log"
    with listening() as sink:
        with serving(tmp_path, log, ALERT_URLS=sink.url) as process:
            done = say("test", volume=tmp_path, ALERT_URLS=sink.url)
        assert (done.returncode, done.stdout) == (0, "alert 1, json: delivered\n"), done.stderr
        assert process.returncode == 0, log.read_text()
        assert sink.titles == ["test"]
    assert SECRET not in log.read_text() + done.stdout + done.stderr
    assert stat.S_IMODE((tmp_path / "alerts.db").stat().st_mode) == 0o600


@pytest.mark.timeout(300)
def test_a_test_alert_that_does_not_arrive(tmp_path: Path) -> None:
    """The reason is printed without the address, and the exit code is 1."""
    with listening() as sink:
        sink.refusing = True
        with serving(tmp_path, tmp_path / "log", ALERT_URLS=sink.url):
            done = say("test", volume=tmp_path, ALERT_URLS=sink.url)
    assert done.returncode == 1
    assert done.stdout.startswith("alert 1, json: ")
    assert "delivered" not in done.stdout
    assert SECRET not in done.stdout


def test_acknowledging(tmp_path: Path) -> None:
    """What was told is listed and acknowledged by subject, once."""
    book = Book(tmp_path / "alerts.db")
    book.prepare([])
    told = [
        Condition(
            Finding(subject, "store", "holding", ""),
            present=True,
            since=1,
            unfit_since=1,
            told_word=word,
        )
        for subject, word in (("primary", "holding"), ("backup", "holding"), ("stack", ""))
    ]
    book.settle(told, [], [], 1.0, {})

    assert "primary store: holding" in say("list", volume=tmp_path).stdout
    one = say("ack", "backup", volume=tmp_path)
    rest = say("ack", volume=tmp_path)
    none = say("ack", volume=tmp_path)

    assert one.stdout == "acknowledged: backup store: holding\n"
    assert rest.stdout == "acknowledged: primary store: holding\n"
    assert (none.returncode, none.stdout) == (0, "Nothing that was told waits for it.\n")
    assert say("list", volume=tmp_path).stdout.count(", acknowledged") == 2


def test_a_phone_that_was_opened(tmp_path: Path) -> None:
    """A person says so for one bridge; a name that is none is refused with the names that are."""
    Book(tmp_path / "alerts.db").prepare([])
    assert say("opened", "backup", volume=tmp_path).returncode == 0
    assert "phone_opened_at backup" in Book(tmp_path / "alerts.db").facts()
    wrong = say("opened", "bakcup", volume=tmp_path)
    assert wrong.returncode == 2
    assert "primary, backup" in wrong.stderr


def test_wrong_settings_are_told_at_once(tmp_path: Path) -> None:
    """The service ends with 78 and a line for everything that is wrong, and shows no address."""
    done = say(
        volume=tmp_path, ALERT_URLS=SECRET, HEARTBEAT_URL=f"ftp://{SECRET}", LOG_LEVEL="loud"
    )
    assert done.returncode == 78
    for key in ("ALERT_URLS", "HEARTBEAT_URL", "LOG_LEVEL"):
        assert key in done.stderr
    assert SECRET not in done.stderr


DOCKER = """#!/bin/sh
echo "$@" >>"{folder}/asked"
printf '%b' "{says}"
exit {code}
"""


@pytest.mark.parametrize(
    ("says", "code", "exits"),
    [
        ("PRIMARY: ONLINE\\nOverall: REDUNDANT\\n", 0, 0),
        ("Overall: UNPROVEN\\n  backup hearing: unproven\\n", 1, 1),
        ("Overall: DEGRADED\\n", 2, 2),
        ("Overall: CRITICAL\\n", 3, 3),
        ("Cannot connect to the Docker daemon\\n", 1, 3),
        ("no such service\\n", 0, 3),
        ("config/stack.yaml: typo\\n", 78, 3),
        ("Overall: REDUNDANT\\n", 1, 3),
        ("", 137, 3),
    ],
)
def test_status_for_cron(tmp_path: Path, says: str, code: int, exits: int) -> None:
    """The word of the stack is the exit code; a failure of Docker or Compose is never taken for a
    word, and is 3.
    """
    docker = tmp_path / "docker"
    docker.write_text(DOCKER.format(folder=tmp_path, says=says, code=code))
    docker.chmod(0o755)

    done = subprocess.run(
        [ROOT / "alerts" / "status.sh"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        cwd="/",
    )

    assert done.returncode == exits
    last = [line for line in done.stdout.splitlines() if line.startswith("Overall: ")][-1]
    assert ("nobody could ask" in last) == (exits != code)
    assert "python -m contracts.status" in (tmp_path / "asked").read_text()


def test_status_that_takes_too_long(tmp_path: Path) -> None:
    """A Docker that hangs is 3 as well."""
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nexec sleep 60\n")
    docker.chmod(0o755)
    done = subprocess.run(
        [ROOT / "alerts" / "status.sh"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "STATUS_S": "0.2"},
    )
    assert (done.returncode, "Overall: CRITICAL" in done.stdout) == (3, True)
