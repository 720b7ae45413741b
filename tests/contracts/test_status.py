"""The summary of the stack: judged over every combination of answers, and asked of real servers."""

import itertools
import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.health import Part, Verdict
from contracts.status import Answer, BridgeAnswers, Overall, judge, look
from tests.contracts.answering import answering

ROOT = Path(__file__).parents[2]
HEARING = Part("hearing", ok=True, word="hearing", reason="lacks nothing")
MEMBER = Part("groups", ok=True, word="member", reason="in every group")
CURRENT = Part("publishing", ok=True, word="current", reason="neon")
REFUSED = Part("publishing", ok=False, word="refused", reason="password")


def said(*parts: Part, ok: bool = True, age_s: float = 0.0) -> Answer:
    """An answer with these parts."""
    return Answer(Verdict(ok, "ok" if ok else "down", parts), "", age_s)


FIT = said(HEARING, MEMBER, CURRENT)
PUBLISHES = said(CURRENT)
HEALTH = {
    "online": FIT,
    "yellow": said(HEARING, MEMBER, Part("capture", False, "loss", "1 detected")),
    "unproven": said(Part("hearing", True, "unproven", "no message for 4 h"), MEMBER),
    "unknown": said(HEARING, Part("groups", True, "unknown", "not told yet")),
    "unread": said(HEARING, MEMBER, Part("capture", False, "unknown", "not read")),
    "suspect": said(Part("hearing", False, "suspect", "1 missing"), MEMBER),
    "absent": said(HEARING, Part("groups", False, "absent", "Lawley")),
    "nobody": said(HEARING, Part("groups", False, "nobody", "Lawley")),
    "down": said(Part("whatsapp", False, "logged out", "by the phone"), ok=False),
    "outdated": said(HEARING, MEMBER, age_s=301),
    "unreachable": Answer(None, "no answer: refused", 0.0),
}
OFFLINE = {"down", "outdated", "unreachable"}
ONE_EAR = {"absent", "nobody"}
OPEN = {"unproven", "unknown", "unread", "suspect"}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_combination(count: int) -> None:
    """CRITICAL if no bridge captures, DEGRADED if not all do or a group has one ear, UNPROVEN if
    something is undecided, else REDUNDANT; one bridge alone is never redundant.
    """
    for states in itertools.product(HEALTH, repeat=count):
        bridges = [BridgeAnswers(f"b{i}", HEALTH[s], PUBLISHES) for i, s in enumerate(states)]
        if set(states) <= OFFLINE:
            expected = Overall.CRITICAL
        elif count == 1 or set(states) & (OFFLINE | ONE_EAR):
            expected = Overall.DEGRADED
        elif set(states) & OPEN:
            expected = Overall.UNPROVEN
        else:
            expected = Overall.REDUNDANT

        assert judge(bridges).overall is expected, states


@pytest.mark.parametrize(
    "away",
    [said(REFUSED, ok=False), Answer(None, "no answer", 0.0), said(CURRENT, age_s=301)],
)
def test_publishing(away: Answer) -> None:
    """One publisher is enough for Postgres; if none publishes, the stack is degraded."""
    for first, second in itertools.product((PUBLISHES, away), repeat=2):
        status = judge([BridgeAnswers("a", FIT, first), BridgeAnswers("b", FIT, second)])
        none = first is away and second is away

        assert status.overall is (Overall.DEGRADED if none else Overall.REDUNDANT)
        assert len(status.lines) == 3 + (first is away) + (second is away)


def test_nothing_configured() -> None:
    """No bridge at all captures nothing."""
    assert judge([]).overall is Overall.CRITICAL


def test_exit_codes() -> None:
    """The values are the exit codes that cron reads."""
    assert [(one.name, int(one)) for one in Overall] == [
        ("REDUNDANT", 0),
        ("UNPROVEN", 1),
        ("DEGRADED", 2),
        ("CRITICAL", 3),
    ]


@pytest.mark.parametrize(("age_s", "online"), [(300, True), (300.1, False)])
def test_age(age_s: float, *, online: bool) -> None:
    """An answer counts for five minutes; without a younger one the stack is CRITICAL."""
    old = BridgeAnswers("primary", said(HEARING, age_s=age_s), PUBLISHES)

    assert judge([old, old]).overall is (Overall.REDUNDANT if online else Overall.CRITICAL)


def test_lines() -> None:
    """A line per bridge, the word, and a line for each part that is not as it should be."""
    down = said(Part("whatsapp", False, "logged out", "by\nthe phone"), REFUSED, ok=False)
    status = judge(
        [
            BridgeAnswers("primary", HEALTH["unproven"], PUBLISHES),
            BridgeAnswers("backup", down, said(REFUSED, ok=False)),
        ]
    )

    assert status.lines == (
        "PRIMARY: ONLINE",
        "BACKUP: OFFLINE",
        "Overall: DEGRADED",
        "  primary hearing: unproven (no message for 4 h)",
        "  backup whatsapp: logged out (by the phone)",
        "  backup publishing: refused (password)",
    )


def body(*, ok: bool) -> bytes:
    """What a bridge answers."""
    return json.dumps(Verdict(ok, "ok" if ok else "down", (HEARING, CURRENT)).to_json()).encode()


@pytest.mark.parametrize(
    ("status", "answer", "online"),
    [
        (200, body(ok=True), True),
        (503, body(ok=False), False),
        (503, body(ok=True), False),
        (200, body(ok=False), False),
        (200, b"fine", False),
        (200, b"[]", False),
        (200, b'{"ok": true, "status": "ok", "parts": [7]}', False),
        (200, b"\xff", False),
    ],
)
def test_asking(status: int, answer: bytes, *, online: bool) -> None:
    """Online is who answers 200 with a verdict that agrees; anything else is not."""
    with answering(status, answer) as port, answering(200, body(ok=True)) as other:
        seen = look([("primary", "127.0.0.1", port), ("backup", "127.0.0.1", other)])

    assert seen.lines[:2] == (f"PRIMARY: {'ONLINE' if online else 'OFFLINE'}", "BACKUP: ONLINE")
    assert seen.overall is (Overall.REDUNDANT if online else Overall.DEGRADED)


def test_nobody_there() -> None:
    """Refused connections are an answer too: CRITICAL, with the reason."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        seen = look([("primary", "127.0.0.1", port), ("backup", "127.0.0.1", port)])

    assert seen.overall is Overall.CRITICAL
    assert any("primary health: unreachable (no answer" in line for line in seen.lines)


def command(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "contracts.status", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def test_command_line() -> None:
    """Where no bridge can be reached, the command says so and exits 3."""
    done = command(ROOT / "config")

    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith("PRIMARY: OFFLINE\nBACKUP: OFFLINE\nOverall: CRITICAL\n")


def test_wrong_settings(tmp_path: Path) -> None:
    """A stack.yaml that cannot be read is no status: exit code 78 with every mistake."""
    shutil.copy(ROOT / "config" / "stack.yaml", tmp_path)
    with (tmp_path / "stack.yaml").open("a") as file:
        file.write("\ntypo: 1\n")

    done = command(tmp_path)

    assert (done.returncode, done.stdout) == (78, "")
    assert "typo" in done.stderr
