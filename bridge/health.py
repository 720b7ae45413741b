"""The verdict on one bridge: would a message sent now be captured by it? Pure, over known facts.

A part says what it found in a word and a sentence. Parts that decide turn /health to 503. The
others are yellow: they need a person, but a message sent now is captured.
"""

from collections.abc import Collection
from dataclasses import dataclass

from bridge.account import AccountVerdict
from bridge.connection import Connection
from bridge.disk import DiskVerdict
from bridge.losses import Cause
from bridge.retention import Usage, judge_volumes
from bridge.store import Counts
from contracts.health import Part, Verdict

WAL_AT_MOST = 64 * 1024 * 1024  # a -wal above this: a reader blocks the checkpoint
STUCK_S = 180.0  # a client that dials answers late; one that is silent for so long is stuck
LOOP_S = 30.0
HELD_AT_MOST_S = 5.0  # a commit takes a millisecond; an event held for seconds is back-pressure
BACKLOG_AT_MOST = 5_000  # events that are stored and not yet read; a backlog of hours is larger


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What is known of messages.db: its counts, or why they could not be read."""

    counts: Counts | None
    error: str | None
    held_s: float
    """For how long a callback has been trying to store its event; 0 when none is."""
    causes: tuple[Cause, ...] = ()
    """What the losses that are not healed come from."""
    set_aside: tuple[str, ...] = ()
    """A sentence for each damaged file that stands beside this one."""


@dataclass(frozen=True, slots=True)
class PublishFacts:
    """What the publisher says of itself."""

    ok: bool
    word: str
    reason: str
    host: str
    database: str
    pending: int
    parked: int


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a verdict is made of; ages in seconds."""

    connection: Connection
    account: AccountVerdict
    room: DiskVerdict
    store: StoreFacts
    publishing: PublishFacts
    absent_from: Collection[str]
    """Projects in whose group this number is not."""
    nobody_in: Collection[str]
    """Projects in whose group no number of the stack is."""
    membership_known: bool
    hearing: Part
    """What the peers prove about this bridge's ears."""
    client_alive: bool
    client_stuck_s: float
    loop_stuck_s: float
    volumes: tuple[Usage, ...] = ()


def judge(facts: Facts) -> Verdict:
    """The verdict of /health: decisive parts first, what needs a person after them."""
    deaf = facts.hearing.word == "deaf"
    decisive = (
        _store(facts.store),
        _whatsapp(facts.connection),
        Part("account", facts.account.ok, facts.account.word, facts.account.reason),
        Part("disk", facts.room.ok, facts.room.word, facts.room.reason),
        *((facts.hearing,) if deaf else ()),
    )
    watched = (
        *(() if deaf else (facts.hearing,)),
        _losses(facts.store),
        _membership(facts),
        _publishing(facts.publishing),
        judge_volumes(facts.volumes),
    )
    return _verdict(decisive, watched)


def judge_publishing(facts: Facts) -> Verdict:
    """The verdict of /health/publish: does what was captured reach Postgres?

    Parked rows make it yellow and not a failure: what is heard next gets there.
    """
    part = _publishing(facts.publishing)
    return _verdict((), (part,)) if facts.publishing.ok else _verdict((part,))


def judge_life(facts: Facts) -> Verdict:
    """The verdict of /live: do the loop and the client make progress? Unpaired is alive."""
    stuck = facts.client_stuck_s > STUCK_S
    parts = (
        Part(
            "loop",
            facts.loop_stuck_s < LOOP_S,
            "running" if facts.loop_stuck_s < LOOP_S else "stuck",
            f"last turn {facts.loop_stuck_s:.1f} s ago",
        ),
        Part(
            "client",
            facts.client_alive and not stuck,
            "running" if facts.client_alive and not stuck else "stuck" if stuck else "ended",
            f"{facts.connection.word}; last answer {facts.client_stuck_s:.1f} s ago",
        ),
    )
    return _verdict(parts)


def _verdict(decisive: tuple[Part, ...], watched: tuple[Part, ...] = ()) -> Verdict:
    ok = all(part.ok for part in decisive)
    return Verdict(ok, "ok" if ok else "down", decisive + watched)


def _store(store: StoreFacts) -> Part:
    if store.held_s > HELD_AT_MOST_S:
        reason = f"an event has been waiting to be stored for {store.held_s:.0f} s: {store.error}"
        return Part("store", False, "holding", reason)
    counts = store.counts
    if counts is None:
        return Part("store", False, "unavailable", store.error or "not read yet")
    if counts.wal_bytes > WAL_AT_MOST:
        reason = f"-wal of {counts.wal_bytes // 1024 // 1024} MiB: a reader blocks the checkpoint"
        return Part("store", False, "blocked", reason)
    if counts.backlog > BACKLOG_AT_MOST:
        return Part("store", True, "behind", f"{counts.backlog} events wait to be read")
    return Part("store", True, "ok", f"{counts.messages} messages")


def _whatsapp(connection: Connection) -> Part:
    return Part("whatsapp", connection.connected, str(connection.word), connection.reason)


def _losses(store: StoreFacts) -> Part:
    """Yellow as soon as something may be missing; it stays until its message has arrived."""
    counts = store.counts
    if counts is None:
        return Part("capture", False, "unknown", "the store could not be read")
    troubles = (
        (counts.detected_losses, f"detected losses{_from(store.causes, 'detected')}"),
        (counts.suspected_losses, f"suspected losses{_from(store.causes, 'suspected')}"),
        (counts.placeholders, "messages that could not be decrypted yet"),
        (counts.unparsed, "events that this version cannot read"),
        (counts.forged_ids, "ids used by two authors"),
    )
    said = [f"{count} {what}" for count, what in troubles if count]
    said += store.set_aside
    heard = counts.unconfigured_messages
    elsewhere = (
        f"heard in {counts.unconfigured_groups} unconfigured groups: {heard}" if heard else ""
    )
    word = "loss" if counts.detected_losses else "suspicious" if said else "complete"
    sentence = "; ".join([*said, elsewhere] if elsewhere else said)
    return Part("capture", not said, word, sentence or "nothing is known to be missing")


def _from(causes: tuple[Cause, ...], kind: str) -> str:
    named = ", ".join(f"{one.cause}: {one.count}" for one in causes if one.kind == kind)
    return f" ({named})" if named else ""


def _membership(facts: Facts) -> Part:
    if not facts.membership_known:
        return Part("groups", True, "unknown", "WhatsApp has not told the groups yet")
    if facts.nobody_in:
        reason = f"no number is in the group of {', '.join(sorted(facts.nobody_in))}"
        return Part("groups", False, "nobody", reason)
    if facts.absent_from:
        reason = f"this number is not in the group of {', '.join(sorted(facts.absent_from))}"
        return Part("groups", False, "absent", reason)
    return Part("groups", True, "member", "in the group of every project")


def _publishing(publishing: PublishFacts) -> Part:
    where = f"{publishing.database} on {publishing.host}: " if publishing.host else ""
    behind = f"; {publishing.pending} pending, {publishing.parked} parked"
    well = publishing.ok and not publishing.parked
    return Part("publishing", well, publishing.word, f"{where}{publishing.reason}{behind}")
