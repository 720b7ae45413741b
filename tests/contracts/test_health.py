"""The probe that Docker runs, against real servers."""

import json
import socket
import subprocess
import sys
import threading

import pytest

from contracts.health import Part, Verdict, probe
from tests.contracts.answering import answering

FIT = Part("store", ok=True, word="writable", reason="412 MiB free")
UNFIT = Part("whatsapp", ok=False, word="disconnected", reason="no answer\nsince 14:02")


def test_json() -> None:
    """A verdict names its status and every part with its word and reason."""
    assert Verdict(ok=False, status="down", parts=(FIT, UNFIT)).to_json() == {
        "status": "down",
        "ok": False,
        "parts": [
            {"name": "store", "ok": True, "word": "writable", "reason": "412 MiB free"},
            {
                "name": "whatsapp",
                "ok": False,
                "word": "disconnected",
                "reason": "no answer\nsince 14:02",
            },
        ],
    }


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, json.dumps(Verdict(True, "ok", (FIT,)).to_json()).encode(), (True, "200 ok")),
        (
            503,
            json.dumps(Verdict(False, "down", (FIT, UNFIT)).to_json()).encode(),
            (False, "503 down; whatsapp: no answer since 14:02"),
        ),
        (200, b"fine\nso far", (True, "200 fine so far")),
        (500, b"", (False, "500")),
        (404, b"[]", (False, "404 []")),
        (200, b'{"status": "ok", "parts": 7}', (True, '200 {"status": "ok", "parts": 7}')),
    ],
)
def test_probe(status: int, body: bytes, expected: tuple[bool, str]) -> None:
    """Only 200 is healthy, and the line says why it is not, whatever the body is."""
    with answering(status, body) as port:
        url = f"http://127.0.0.1:{port}/live"
        assert probe(url) == expected


def test_nobody_there() -> None:
    """A refused connection is one line and not healthy."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        ok, line = probe(f"http://127.0.0.1:{taken.getsockname()[1]}/live")

    assert not ok
    assert "does not answer" in line


def test_not_http() -> None:
    """Something else on the port is one line and not healthy."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        ok, line = probe(f"http://127.0.0.1:{server.getsockname()[1]}/live")
        thread.join()

    assert not ok
    assert "does not answer" in line


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_command_line(status: int, code: int) -> None:
    """Docker gets exit code 0 or 1 and exactly one line."""
    with answering(status, b"x") as port:
        url = f"http://127.0.0.1:{port}/live"
        command = [sys.executable, "-m", "contracts.health", url]
        done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (code, f"{status} x\n", "")


def test_usage() -> None:
    """Without an address the probe says how it is used and is not healthy."""
    command = [sys.executable, "-m", "contracts.health"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (1, "usage: python -m contracts.health URL\n")
