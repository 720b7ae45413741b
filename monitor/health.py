"""The verdict on one monitor: do the drops of its projects reach the reviews? Pure."""

from dataclasses import dataclass

from contracts.health import Part, Verdict

BEHIND_S = 60.0
"""A monitor that has not read what is in the file for so long is behind."""

STUCK_S = 60.0
"""Every wait of the loop is shorter."""


@dataclass(frozen=True, slots=True)
class Following:
    """Whose file is read, and how far; all None without a file."""

    bridge: str | None = None
    store_id: str | None = None
    read_seq: int | None = None
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a verdict is made of; ages in seconds."""

    following: Following
    file_trouble: str | None
    """Why messages.db cannot be read; None while it can."""
    file_missing: bool
    database_word: str
    database_reason: str
    behind_s: float
    refused: int
    """Mentions that the database refused for what they are."""
    lacked: int | None
    """What the last comparison of file and ledger found; None before the first."""
    turned_s: float
    """Since the loop last turned."""


def judge(facts: Facts) -> Verdict:
    """The verdict of /health: every part decides but the refused mentions, which need a person."""
    deciding = (_file(facts), _database(facts), _progress(facts), _comparison(facts))
    ok = all(part.ok for part in deciding)
    return Verdict(ok, "ok" if ok else "down", (*deciding, _mentions(facts)))


def judge_life(facts: Facts) -> Verdict:
    """The verdict of /live: does the loop turn? Without file and database it is alive."""
    ok = facts.turned_s < STUCK_S
    reason = f"last turn {facts.turned_s:.1f} s ago"
    part = Part("loop", True, "running", reason) if ok else Part("loop", False, "stuck", reason)
    return Verdict(ok, "ok" if ok else "down", (part,))


def _file(facts: Facts) -> Part:
    if facts.file_trouble is None and facts.following.bridge is not None:
        return Part("file", True, "reading", f"the file of bridge {facts.following.bridge}")
    if facts.file_trouble is None:
        return Part("file", False, "starting", "not looked at yet")
    if facts.file_missing:
        return Part("file", False, "absent", facts.file_trouble)
    return Part("file", False, "unreadable", facts.file_trouble)


def _database(facts: Facts) -> Part:
    reason = facts.database_reason
    match facts.database_word:
        case "connected":
            return Part("database", True, "connected", reason)
        case "starting":
            return Part("database", False, "starting", reason)
        case "refused":
            return Part("database", False, "refused", reason)
        case _:
            return Part("database", False, "unreachable", reason)


def _progress(facts: Facts) -> Part:
    following = facts.following
    if following.read_seq is None or following.seq is None:
        return Part("progress", True, "waiting", "nothing to read yet")
    lag = following.seq - following.read_seq
    if facts.behind_s > BEHIND_S:
        reason = f"{lag} changes behind, for {facts.behind_s:.0f} s"
        return Part("progress", False, "behind", reason)
    return Part(
        "progress", True, "following", f"read to {following.read_seq}, {lag} changes behind"
    )


def _comparison(facts: Facts) -> Part:
    if facts.lacked is None:
        return Part("comparison", True, "pending", "this file is not compared with the ledger yet")
    if facts.lacked:
        reason = (
            f"{facts.lacked} mentions of the file were missing in the ledger; they are applied now,"
            " and somebody has to find out why"
        )
        return Part("comparison", False, "lacking", reason)
    return Part("comparison", True, "complete", "the ledger has every mention of the file")


def _mentions(facts: Facts) -> Part:
    if facts.refused:
        reason = f"{facts.refused} mentions are refused by the database, the log says why"
        return Part("mentions", False, "refused", reason)
    return Part("mentions", True, "accepted", "none was refused since the start")
