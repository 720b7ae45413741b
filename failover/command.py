"""`python -m failover VERB`: how a person inside the container asks and tells the running failover.

Exit codes: 0 done, 1 refused, 2 not understood, 3 the failover does not answer.
"""

import argparse
import http.client
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

DONE, REFUSED, AWAY = 0, 1, 3
ANSWER_S = 15
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m failover", description=__doc__)
    verbs = top.add_subparsers(dest="verb", required=True)
    verbs.add_parser("status", help="who is read and why, each bridge, each monitor")
    switch = verbs.add_parser("switch", help="move the monitors to another bridge")
    switch.add_argument("--from", dest="source", required=True, metavar="BRIDGE")
    switch.add_argument("--to", dest="target", required=True, metavar="BRIDGE")
    switch.add_argument("--force", action="store_true", help="even if that one is not up")
    pause = verbs.add_parser("pause", help="change nothing for a while, and say what would be done")
    pause.add_argument("--for", dest="seconds", type=_seconds, metavar="1h", default=None)
    verbs.add_parser("resume", help="let the rules decide again")
    failback = verbs.add_parser("failback", help="whether it goes back to a better bridge itself")
    failback.add_argument("how", choices=["auto", "manual"])
    promote = verbs.add_parser("promote", help="make a bridge the preferred one")
    promote.add_argument("bridge")
    history = verbs.add_parser("history", help="every decision with its evidence")
    history.add_argument("--last", type=int, default=20)
    history.add_argument("--json", action="store_true", help="with all evidence, one a line")
    return top


def _seconds(text: str) -> int:
    """`90s`, `30m`, `1h` or `2d`; without a unit, seconds."""
    found = re.fullmatch(r"(\d{1,7})([smhd]?)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: 90s, 30m, 1h, 2d")
    return int(found[1]) * _UNITS[found[2] or "s"]


def run(arguments: Sequence[str], port: int, token: str) -> tuple[int, str]:
    """Carry out one command; the exit code and what to print."""
    given = parser().parse_args(arguments)
    try:
        match given.verb:
            case "status":
                return DONE, status(_asked(port, "GET", "/state", token, None))
            case "history":
                lines = _asked(port, "GET", f"/history?last={given.last}", token, None)
                return DONE, history(lines, everything=given.json)
            case verb:
                done = _asked(port, "POST", f"/{verb}", token, _body(given))
                return DONE, str(done["done"])
    except _Said as refused:
        return REFUSED, str(refused)
    except (OSError, http.client.HTTPException) as away:
        return AWAY, f"the failover does not answer: {away!r}; see docs/operations.md"


def _body(given: argparse.Namespace) -> dict[str, object]:
    match given.verb:
        case "switch":
            return {"from": given.source, "to": given.target, "force": given.force}
        case "pause":
            return {"for_s": given.seconds}
        case "failback":
            return {"how": given.how}
        case "promote":
            return {"bridge": given.bridge}
        case _:
            return {}


class _Said(Exception):
    """The failover refused, in its words."""


def _asked(port: int, method: str, path: str, token: str, body: object) -> Any:  # noqa: ANN401 - JSON
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)
    try:
        headers = {"Authorization": f"Bearer {token}"}
        sent = None if body is None else json.dumps(body)
        connection.request(method, path, sent, headers)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise _Said(said.decode(errors="replace").strip())
        return json.loads(said)
    finally:
        connection.close()


def status(told: Mapping[str, Any]) -> str:
    """The state for people."""
    lines = [
        f"reading {told['reads']} since {_moment(told['since'])} (epoch {told['epoch']})",
        f"  because: {told['reason']}",
        f"mode: {told['mode']}" + _until(told["paused_until"]) + f", failback {told['failback']}",
        f"order: {', '.join(told['order'])}",
        f"now: {told['verdict']}: {told['sentence']}",
        *(f"bridge {name}: {each['said']}" for name, each in told["bridges"].items()),
        *(
            f"{one['service']} reads {one['side'] or 'nothing'}"
            + ("" if one["running"] else " (not running)")
            for one in told["monitors"]
        ),
    ]
    lines += [
        f"NEEDS A PERSON: {part['name']}: {part['word']} ({part['reason']})"
        for part in told["health"]["parts"]
        if not part["ok"]
    ]
    return "\n".join(lines)


def history(lines: Sequence[Mapping[str, Any]], *, everything: bool) -> str:
    """The history for people, or with all evidence as one JSON object a line."""
    if everything:
        return "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    told = []
    for line in lines:
        told.append(f"{_moment(line['at'])} {line['what']}: {line['sentence']}")
        for name, seen in line["evidence"].get("bridges", {}).items():
            told.append(f"    {name}: {seen['seen']}")
    return "\n".join(told) or "nothing has happened yet"


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _until(at: float | None) -> str:
    return "" if at is None else f" until {_moment(at)}"
