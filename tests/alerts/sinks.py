"""Sinks that are really there: an HTTP server that takes what Apprise posts, or refuses it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "s3cr3t-t0ken"


@dataclass
class Sink:
    """What arrived; while `refusing`, everything is answered with 503 and counted."""

    port: int = 0
    refusing: bool = False
    refused: int = 0
    letters: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address as people write it for Apprise, with a secret in it."""
        return f"json://user:{SECRET}@127.0.0.1:{self.port}/{SECRET}/"

    @property
    def http(self) -> str:
        """Its address as that of a heartbeat."""
        return f"http://127.0.0.1:{self.port}/{SECRET}"

    @property
    def titles(self) -> list[str]:
        """What arrived, by title."""
        return [letter["title"].removeprefix("[Twinbridge] ") for letter in self.letters]


@contextmanager
def listening(port: int = 0) -> Iterator[Sink]:
    """A sink on the loopback for the length of the context."""
    sink = Sink()

    class Taking(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sink.asked.append(self.path)
            self._answer()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not sink.refusing:
                sink.letters.append(json.loads(body))
            self._answer()

        def _answer(self) -> None:
            sink.refused += sink.refusing
            self.send_response(503 if sink.refusing else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", port), Taking) as server:
        sink.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield sink
        finally:
            server.shutdown()
            thread.join()
