"""The log files of the services: the lines of standard error, for whoever looks for a file."""

import logging
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts import service

log = logging.getLogger("bridge.capture")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The handlers and the level of the root logger, put back."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_the_file_has_the_lines_masked_and_is_readable_by_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a phone number nor a password stands there, whatever the service's umask."""
    umask = os.umask(0o077)
    try:
        service.configure_logging("INFO", "text", "[BACKUP] ")
        service.log_to_file(tmp_path, "whatsapp-bridge-backup.log")
        log.info("message captured", extra={"sender": "27820000001"})
        log.error("refused by postgresql://bridge:geheim@db/reviews")
        log.error("asked with Authorization: Bearer abcdefgh12345678")
    finally:
        os.umask(umask)
    file = tmp_path / "whatsapp-bridge-backup.log"
    written = file.read_text()
    assert written == capsys.readouterr().err
    assert "sender=*********01" in written
    assert "postgresql://bridge:***@db/reviews" in written
    assert "Bearer ***" in written
    assert written.startswith("[BACKUP] ")
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_there_are_five_files_of_ten_megabytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log never fills the disk; here with a few bytes instead of ten million."""
    assert (service.LOG_FILE_BYTES, service.LOG_FILES) == (10_000_000, 5)
    monkeypatch.setattr(service, "LOG_FILE_BYTES", 300)
    service.configure_logging("INFO", "json", "")
    service.log_to_file(tmp_path, "sender.log")
    for number in range(50):
        log.info("a line of some length", extra={"number": number})
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"sender.log", *(f"sender.log.{number}" for number in range(1, 5))}
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o644}


FULL = """
import logging, resource, sys
from pathlib import Path
from contracts import service
service.configure_logging("INFO", "text", "")
log = logging.getLogger("bridge.capture")
service.log_to_file(Path(sys.argv[1]) / "absent", "sender.log")
log.info("and on")
service.log_to_file(Path(sys.argv[1]), "sender.log")
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))
for number in range(50):
    log.info("a line of some length", extra={"number": number})
"""


def test_a_log_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    """Without a folder, and when the disk is full, it is said once and the service goes on."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0
    assert done.stderr.count("no log file") == 1
    assert "and on" in done.stderr
    assert done.stderr.count("the log file cannot be written") == 1
    assert "number=49" in done.stderr
    assert "Traceback" not in done.stderr
