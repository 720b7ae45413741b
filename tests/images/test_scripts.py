"""What the set-up scripts say on a machine that lacks something; nothing is installed."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH with the usual commands and without Docker."""
    for command in ("bash", "dirname", "grep", "head", "id", "sed", "sort", "uname"):
        found = shutil.which(command)
        assert found is not None, command
        (tmp_path / command).symlink_to(found)
    return str(tmp_path)


def test_a_machine_without_docker_is_told_what_is_missing_and_left_alone(bare_path: str) -> None:
    """Engine, Compose and buildx are named with the version wanted; without a yes, no change."""
    done = subprocess.run(
        ["bash", ROOT / "images" / "machine.sh", "engine"],
        env={"PATH": bare_path, "HOME": bare_path},
        stdin=subprocess.DEVNULL,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "Docker engine >= 20.10" in done.stdout
    assert "Docker Compose >= 2.20 (found none)" in done.stdout
    assert "Docker buildx (found none)" in done.stdout
    assert "Nothing was changed." in done.stdout


def test_a_browser_is_not_asked_for(bare_path: str) -> None:
    """Where nothing may be installed, a machine without Chromium is told nothing."""
    done = subprocess.run(
        ["bash", ROOT / "images" / "machine.sh", "browser"],
        env={"PATH": bare_path, "HOME": bare_path},
        stdin=subprocess.DEVNULL,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout + done.stderr == ""


def test_a_machine_that_has_everything_is_told_nothing() -> None:
    """The look costs a moment and no line."""
    done = subprocess.run(
        [ROOT / "images" / "machine.sh", "engine"], check=True, capture_output=True, text=True
    )
    assert done.stdout == ""


def test_the_base_images_are_known_again_and_said_in_one_line() -> None:
    """With both images here no registry is asked, and one line says where they come from."""
    done = subprocess.run(
        [ROOT / "images" / "base.sh"], check=True, capture_output=True, text=True, timeout=10
    )
    assert done.stdout.startswith("Base images: ")
    assert done.stdout.count("\n") == 1


def test_a_port_that_a_program_holds_is_named_before_docker_fails() -> None:
    """The demo says which port is taken, starts nothing and stops nothing."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        done = subprocess.run(
            [ROOT / "images" / "ports.sh", "twinbridge-demo", port],
            check=False,
            capture_output=True,
            text=True,
            env=dict(os.environ),
        )
    assert done.returncode == 1
    assert f"Port {port} of 127.0.0.1 is taken by a program outside Docker." in done.stdout
    assert "was not started, and nothing was stopped" in done.stdout
