"""Bridges and services as alerts see them: HTTP servers whose answers a test changes."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from alerts.watching import Watched
from contracts.health import Part, Verdict

FIT = (
    Part("whatsapp", ok=True, word="connected", reason="since 08:00"),
    Part("hearing", ok=True, word="hearing", reason="lacks nothing"),
    Part("groups", ok=True, word="member", reason="of all"),
)
CURRENT = Part("publishing", ok=True, word="current", reason="0 pending")
TOKEN = "the-token-of-the-stack"


@dataclass
class Answering:
    """What one of them answers; without `parts` it hangs up."""

    name: str
    bridge: bool = True
    port: int = 0
    parts: tuple[Part, ...] | None = FIT
    ok: bool = True
    publishing: Part = CURRENT
    last_captured: float | None = None
    near_misses: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    @property
    def watched(self) -> Watched:
        """Where it is found."""
        return Watched(self.name, f"http://127.0.0.1:{self.port}", self.bridge)

    def answer(self, path: str, token: str) -> tuple[int, bytes]:
        """Status and body."""
        path, _, query = path.partition("?day=")
        if path == "/metrics":
            line = "twinbridge_last_captured_timestamp_seconds"
            figure = "" if self.last_captured is None else f"{line} {self.last_captured!r}\n"
            return 200, f"# HELP {line} When.\n# TYPE {line} gauge\n{figure}".encode()
        if path == "/near-misses":
            if token != f"Bearer {TOKEN}":
                return 401, b"no"
            listed = self.near_misses.get(query, [])
            return 200, json.dumps({"more": False, "near_misses": listed}).encode()
        verdict = Verdict(self.ok, "ok" if self.ok else "down", self.parts or ())
        if path == "/health/publish":
            ok = self.publishing.ok
            verdict = Verdict(ok, "ok" if ok else "down", (self.publishing,))
        return 200 if verdict.ok else 503, json.dumps(verdict.to_json()).encode()


@contextmanager
def answering(name: str, *, bridge: bool = True) -> Iterator[Answering]:
    """One of them on the loopback for the length of the context."""
    it = Answering(name, bridge)

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if it.parts is None:
                self.close_connection = True
                return
            status, body = it.answer(self.path, self.headers.get("Authorization", ""))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        it.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield it
        finally:
            server.shutdown()
            thread.join()
