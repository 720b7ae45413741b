"""The launcher: it waits for a simulator, and never lets a client meet the real WhatsApp."""

import subprocess
from pathlib import Path

import pytest

from tests.simulator.room import BRIDGE, ROOT

LAUNCHER = f"{ROOT}/simulator/launch.py:/simulator/launch.py:ro"


def launched(name: str, label: str, trust: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the launcher in the bridge's image with one second of patience."""
    return subprocess.run(
        [
            *("docker", "run", "--rm", "--init", "--name", name, "--label", label),
            *("--volume", LAUNCHER, "--volume", f"{trust}:/trust:ro", *options),
            *("--env", "SIMULATOR_PATIENCE_SECONDS=1", BRIDGE),
            *("python", "/simulator/launch.py", "no_such_client"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("options", "certificate", "reason"),
    [
        (["--network", "none"], False, "no /trust/web.whatsapp.com.pem"),
        (
            ["--network", "none", "--add-host", "web.whatsapp.com:8.8.8.8"],
            True,
            "web.whatsapp.com is 8.8.8.8, which is not the simulator",
        ),
        (
            ["--network", "none", "--add-host", "web.whatsapp.com:127.0.0.1"],
            True,
            "Connection refused",
        ),
    ],
)
def test_no_client_is_started_without_a_simulator(
    run_id: str, tmp_path: Path, options: list[str], certificate: bool, reason: str
) -> None:
    """Without certificate, at a public address, without a server: one sentence and exit code 1."""
    if certificate:
        (tmp_path / "web.whatsapp.com.pem").write_text("not looked at")
    tmp_path.chmod(0o755)
    ended = launched(f"{run_id}-launch", f"org.twinbridge.test={run_id}", tmp_path, *options)
    assert ended.returncode == 1
    assert ended.stderr.startswith("launch: the simulator did not appear within 1 s: ")
    assert reason in ended.stderr
