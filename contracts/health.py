"""What /health, /health/publish and /live say: written by every service, read by Docker and people.

`python -m contracts.health URL` is the probe of Docker's healthcheck: standard library only, exit
code 0 or 1, one line that ends up in `docker inspect`.
"""

import http.client
import json
import sys
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

PROBE_S = 4
"""Seconds until the probe gives up: below the healthcheck's own 5, so that the reason is ours."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a verdict: is it fit, its state in a word, and why in words for people."""

    name: str
    ok: bool
    word: str
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one question: HTTP 200 if `ok`, else 503; `status` is its word, ok or down.

    A part that is not ok need not decide: then the verdict is ok and the part is a warning.
    """

    ok: bool
    status: str
    parts: tuple[Part, ...]

    def to_json(self) -> dict[str, object]:
        """The body of the answer; a service may add keys of its own."""
        return {"status": self.status, "ok": self.ok, "parts": [asdict(p) for p in self.parts]}


def probe(url: str) -> tuple[bool, str]:
    """Ask a health address; whether it answered 200, and one line that says what it said."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=PROBE_S)
    try:
        connection.request("GET", where.path or "/")
        answer = connection.getresponse()
        body = answer.read(65_536)
    except (OSError, http.client.HTTPException) as trouble:
        return False, f"{url} does not answer: {str(trouble) or type(trouble).__name__}"
    finally:
        connection.close()
    return answer.status == http.HTTPStatus.OK, f"{answer.status} {_said(body)}".strip()


def _said(body: bytes) -> str:
    """The status and what is not fit, on one line; the body's beginning if it is something else."""
    try:
        said = json.loads(body)
        unfit = [f"{p['name']}: {p['reason']}" for p in said.get("parts", ()) if not p["ok"]]
        return " ".join("; ".join([str(said["status"]), *unfit]).split())
    except (ValueError, KeyError, TypeError, AttributeError):
        return " ".join(body[:200].decode(errors="replace").split())


def main() -> int:
    """The probe's command line."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and one address
        print("usage: python -m contracts.health URL", file=sys.stderr)  # noqa: T201
        return 1
    ok, line = probe(sys.argv[1])
    print(line)  # noqa: T201 - what `docker inspect` shows
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
