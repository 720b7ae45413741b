"""A stand-in for a bridge, for the failover alone: it answers /health, and it can be killed."""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STARTED = time.monotonic()


class Answers(BaseHTTPRequestHandler):
    """GET /health: connected since the start, and hearing."""

    def do_GET(self) -> None:
        """Would capture."""
        age = time.monotonic() - STARTED
        parts = [{"name": "whatsapp", "ok": True, "word": "connected", "reason": "stands in"}]
        ears = {"connected_s": age, "queue_ended": True, "live_age_s": 0.0, "lacks": 0}
        said = {"bridge": sys.argv[1], "ok": True, "status": "ok", "parts": parts, "ears": ears}
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("", 8080), Answers).serve_forever()
