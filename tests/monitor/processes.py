"""Monitors as processes of their own, to be killed and frozen."""

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, call, eventually


@dataclass(frozen=True, slots=True)
class Process:
    """One monitor: `python -m monitor`."""

    process: "subprocess.Popen[bytes]"
    port: int

    def health(self) -> Any:  # noqa: ANN401 - JSON
        """What it says of itself."""
        return call(f"http://127.0.0.1:{self.port}/health", timeout=5).json

    def until_read(self, seq: int, within_s: float = 120) -> None:
        """Wait until it has applied everything up to there."""
        eventually(
            f"read to {seq}", lambda: (self.health()["follows"]["read_seq"] or 0) >= seq, within_s
        )

    def freeze(self) -> None:
        """Stop it between two instructions, as a paused container is."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on as if no time had passed."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it between two instructions."""
        self.process.kill()
        self.process.wait(30)

    def stop(self) -> int:
        """Ask it to stop; its exit code."""
        self.process.terminate()
        return self.process.wait(60)


@contextmanager
def monitor_process(volume: Path, config: Path, url: str) -> Iterator[Process]:
    """A monitor of `prod`; whatever became of it, it is gone at the end."""
    port = _free_port()
    (config / "stack.yaml").write_text((ROOT / "config" / "stack.yaml").read_text())
    environment = {
        "MONITOR_ENVIRONMENT": "prod",
        "CONFIG_DIRECTORY": str(config),
        "MESSAGES_DIRECTORY": str(volume),
        "DATABASE_URL": url,
        "PORT": str(port),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "monitor"],
        cwd=ROOT,
        env={key: os.environ[key] for key in ("PATH", "HOME")} | environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Process(process, port)
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait(30)


def _free_port() -> int:
    """A port that nobody has, below those that the system gives to outgoing connections."""
    for port in random.sample(range(20_000, 32_000), 50):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("every port is taken")
