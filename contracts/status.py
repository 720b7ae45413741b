"""What `make status` says: made of what the bridges answer, read by people, cron and alerts.

`python -m contracts.status [folder]` asks every bridge of config/stack.yaml for /health and
/health/publish, prints a line per bridge, `Overall: WORD`, a line for every part that is not as it
should be, and what alerts say of themselves. Exit codes: 0 REDUNDANT, 1 UNPROVEN, 2 DEGRADED,
3 CRITICAL; 78 wrong settings.
"""

import http.client
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from contracts.health import Part, Verdict
from contracts.problems import ConfigurationError
from contracts.service import MISCONFIGURED
from contracts.stack import load_stack

ASK_S = 5
"""Seconds until a bridge that does not answer counts as unreachable."""
OLD_S = 300
"""An answer that is older, in seconds, says nothing about now."""

_UNDECIDED = {"unproven", "unknown", "suspect"}
_NO_SECOND_EAR = {"absent", "nobody", "alone"}


class Overall(IntEnum):
    """Whether a message sent now has two witnesses; the value is the exit code."""

    REDUNDANT = 0
    UNPROVEN = 1
    DEGRADED = 2
    CRITICAL = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What an address said `age_s` seconds ago; without a verdict, `trouble` says why."""

    verdict: Verdict | None
    trouble: str
    age_s: float


@dataclass(frozen=True, slots=True)
class BridgeAnswers:
    """Both answers of one bridge: does it capture, does it publish."""

    name: str
    health: Answer
    publishing: Answer


@dataclass(frozen=True, slots=True)
class Status:
    """The judgement, and the lines that say it."""

    overall: Overall
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Judged:
    name: str
    captures: bool
    publishes: bool
    parts: tuple[Part, ...]

    def says(self, words: set[str]) -> bool:
        return any(part.word in words for part in self.parts)


def judge(bridges: Sequence[BridgeAnswers]) -> Status:
    """The status of the stack; pure.

    A bridge that has not answered for five minutes is offline, whatever it said before.
    """
    judged = [_judge_bridge(bridge) for bridge in bridges]
    overall = _overall(judged)
    return Status(
        overall,
        (
            *(f"{one.name.upper()}: {'ONLINE' if one.captures else 'OFFLINE'}" for one in judged),
            f"Overall: {overall.name}",
            *(
                f"  {one.name} {part.name}: {part.word} ({' '.join(part.reason.split())})"
                for one in judged
                for part in one.parts
                if not part.ok or part.word in _UNDECIDED | _NO_SECOND_EAR
            ),
        ),
    )


def _overall(judged: Sequence[_Judged]) -> Overall:
    if not any(one.captures for one in judged):
        return Overall.CRITICAL
    if (
        len(judged) == 1
        or not all(one.captures for one in judged)
        or not any(one.publishes for one in judged)
        or any(one.says(_NO_SECOND_EAR) for one in judged)
    ):
        return Overall.DEGRADED
    undecided = any(one.says(_UNDECIDED) for one in judged)
    return Overall.UNPROVEN if undecided else Overall.REDUNDANT


def _judge_bridge(bridge: BridgeAnswers) -> _Judged:
    health = _current("health", bridge.health)
    publishing = _current("publishing", bridge.publishing)
    # /health has a part of the same name; the answer to the question itself is the one that counts.
    told = {part.name: part for part in (*health.parts, *publishing.parts)}
    return _Judged(bridge.name, health.ok, publishing.ok, tuple(told.values()))


def _current(question: str, answer: Answer) -> Verdict:
    """The verdict, or one that says why there is none."""
    if answer.verdict is None:
        missing = Part(question, False, "unreachable", answer.trouble)
    elif answer.age_s > OLD_S:
        reason = f"the last answer is {answer.age_s:.0f} s old"
        missing = Part(question, False, "outdated", reason)
    else:
        return answer.verdict
    return Verdict(False, "down", (missing,))


def ask(host: str, port: int, path: str) -> Answer:
    """Ask a bridge one question over HTTP, for at most ASK_S seconds between two bytes."""
    asked = time.monotonic()
    connection = http.client.HTTPConnection(host, port, timeout=ASK_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        verdict = verdict_of(answer.status, answer.read(1_048_576))
    except (OSError, http.client.HTTPException) as trouble:
        return Answer(None, f"no answer: {str(trouble) or type(trouble).__name__}", 0.0)
    except ValueError:
        return Answer(None, "the answer is not a verdict", 0.0)
    finally:
        connection.close()
    return Answer(verdict, "", time.monotonic() - asked)


def verdict_of(status: int, body: bytes) -> Verdict:
    """Read an answer of /health or /health/publish; raises ValueError if it is none."""
    try:
        said = json.loads(body)
        return Verdict(
            status == http.HTTPStatus.OK and said["ok"] is True,
            str(said["status"]),
            tuple(
                Part(str(p["name"]), p["ok"] is True, str(p["word"]), str(p["reason"]))
                for p in said["parts"]
            ),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as wrong:
        raise ValueError(f"not a verdict: {wrong!r}") from wrong


def look(bridges: Sequence[tuple[str, str, int]]) -> Status:
    """Ask all bridges, each a name, host and port, at the same time, and judge."""
    with ThreadPoolExecutor(max_workers=2 * len(bridges) or 1) as asking:
        asked = [
            (
                name,
                asking.submit(ask, host, port, "/health"),
                asking.submit(ask, host, port, "/health/publish"),
            )
            for name, host, port in bridges
        ]
        return judge([BridgeAnswers(n, health.result(), pub.result()) for n, health, pub in asked])


def alert_lines(answer: Answer) -> tuple[str, ...]:
    """What alerts say of themselves: whatever is not fit, and the phones; it decides no word."""
    if answer.verdict is None:
        return (f"  alerts: unreachable ({answer.trouble}): nobody is told of a fault",)
    return tuple(
        f"  alerts {part.name}: {part.word} ({' '.join(part.reason.split())})"
        for part in answer.verdict.parts
        if not part.ok or part.name.startswith("phone")
    )


def main() -> int:
    """Print the status and return its exit code."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("/config")
    try:
        stack = load_stack(folder / "stack.yaml")
    except ConfigurationError as wrong:
        print(wrong, file=sys.stderr)  # noqa: T201 - the answer of a command
        return MISCONFIGURED
    status = look([(b.name, f"bridge-{b.name}", 8080) for b in stack.bridges])
    lines = status.lines + alert_lines(ask("alerts", 8080, "/health"))
    print("\n".join(lines))  # noqa: T201 - the answer of a command
    return int(status.overall)


if __name__ == "__main__":
    sys.exit(main())
