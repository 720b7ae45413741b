"""The one-shot that draws the stack's secrets."""

import stat
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "volumes" / "draw_secrets.py"
NAMES = {"postgres-password", "api-token", "dev-password"}


def draw(directory: Path) -> str:
    """Run the script as the container does, and return what it said."""
    return subprocess.run(
        [sys.executable, SCRIPT, directory], check=True, capture_output=True, text=True
    ).stdout


def test_secrets_are_drawn_once_and_kept(tmp_path: Path) -> None:
    """A second start changes no secret: a new password would lock the stack out of Postgres."""
    assert draw(tmp_path).count("drawn") == 3
    first = {name: (tmp_path / name).read_text() for name in NAMES}
    assert draw(tmp_path).count("kept") == 3
    assert {name: (tmp_path / name).read_text() for name in NAMES} == first
    assert len(set(first.values())) == 3
    assert all(len(secret.strip()) >= 43 for secret in first.values()), "256 bits each"


def test_only_the_missing_secret_is_drawn(tmp_path: Path) -> None:
    """A secret that was lost is drawn again without touching the other one."""
    draw(tmp_path)
    password = (tmp_path / "postgres-password").read_text()
    (tmp_path / "api-token").unlink()
    assert draw(tmp_path).splitlines() == [
        "secret=postgres-password kept",
        "secret=api-token drawn",
        "secret=dev-password kept",
    ]
    assert (tmp_path / "postgres-password").read_text() == password


def test_the_token_is_for_its_owner_and_the_password_for_the_database_too(tmp_path: Path) -> None:
    """Postgres runs under another account and reads the password as a member of the group."""
    draw(tmp_path)
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in NAMES}
    assert modes == {"postgres-password": 0o640, "api-token": 0o600, "dev-password": 0o600}


def test_starts_at_once_agree_on_one_secret_and_leave_nothing_else(tmp_path: Path) -> None:
    """Of eight first starts at once exactly one draws each secret, and no draft stays behind."""
    starts = [
        subprocess.Popen([sys.executable, SCRIPT, tmp_path], stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    said = [start.communicate(timeout=30)[0] for start in starts]
    assert [start.returncode for start in starts] == [0] * 8
    for name in NAMES:
        assert "".join(said).count(f"secret={name} drawn") == 1
    assert {path.name for path in tmp_path.iterdir()} == NAMES
