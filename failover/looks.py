"""One look at one bridge: what its process does, what it answers, what that is a sign of. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from contracts.bridge_health import BridgeHealth
from failover.seams import ProcessState, ProcessWord


class Reply(StrEnum):
    """How the question for /health went, before anybody reads the answer."""

    ANSWERED = "answered"
    GARBLED = "answered with something else than its health"
    REFUSED = "refused the connection"
    TIMED_OUT = "did not answer in time"
    NAMELESS = "its name could not be resolved"


class Sign(StrEnum):
    """What a look shows. UNKNOWN is never a reason for anything."""

    GOOD = "good"
    GONE = "gone"  # nothing listens
    HUNG = "hung"  # something is there, and does not answer as it should
    UNFIT = "unfit"  # it answers, and would not capture a message sent now
    FATAL = "fatal"  # the same, and only a person changes that
    UNKNOWN = "unknown"


NEEDS_A_PERSON = frozenset(
    {
        "waiting to be paired",
        "logged out",
        "replaced",
        "banned",
        "client outdated",
        "refused by WhatsApp",
        "wrong account",
        "same account",
    }
)
"""Words of a bridge after which waiting is useless, and reconnecting forbidden."""

AWAY = frozenset({ProcessWord.STOPPED, ProcessWord.GONE, ProcessWord.RESTARTING})


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of one bridge at one moment."""

    at: float
    process: ProcessState | None
    """None: Docker did not say."""
    reply: Reply
    health: BridgeHealth | None = None
    blind: str = ""
    """Why nothing that was seen then counts: we were late ourselves."""

    @property
    def words(self) -> frozenset[str]:
        """The words of what is not as it should be."""
        if self.health is None:
            return frozenset()
        return frozenset(part.word for part in self.health.verdict.parts if not part.ok)

    @property
    def frozen(self) -> bool:
        """Whether a person has paused the container."""
        return self.process is not None and self.process.word is ProcessWord.FROZEN

    @property
    def away(self) -> bool:
        """Whether there is no process that could be helped."""
        return self.process is not None and self.process.word in AWAY

    @property
    def fit(self) -> bool:
        """Whether a message sent now would be captured; trouble with publishing is none here."""
        if self.health is None:
            return False
        verdict = self.health.verdict
        wrong = [part.name for part in verdict.parts if not part.ok]
        return verdict.ok or (bool(wrong) and set(wrong) == {"publishing"})


def sign(look: Look) -> Sign:
    """What this look shows: an answer speaks for itself, silence needs Docker's word beside it."""
    if look.blind:
        return Sign.UNKNOWN
    if look.health is not None:
        if look.fit:
            return Sign.GOOD
        return Sign.FATAL if look.words & NEEDS_A_PERSON else Sign.UNFIT
    if look.process is None:
        return Sign.UNKNOWN
    if look.away:
        return Sign.GONE
    if look.reply is Reply.NAMELESS:
        return Sign.UNKNOWN
    if look.reply is Reply.REFUSED and not look.frozen:
        return Sign.GONE
    return Sign.HUNG


def described(look: Look) -> str:
    """The look in words, for people."""
    if look.blind:
        return look.blind
    if look.health is not None:
        wrong = [p for p in look.health.verdict.parts if not p.ok and p.name != "publishing"]
        if look.fit or not wrong:
            return "would capture" if look.fit else "says that it is down"
        return "; ".join(f"{part.name}: {part.word} ({part.reason})" for part in wrong)
    if look.process is None:
        return f"Docker did not say, and it {look.reply}"
    if look.away or look.frozen:
        reason = f": {look.process.reason}" if look.process.reason else ""
        return f"its container is {look.process.word}{reason}"
    return f"its container runs, and {_subject(look.reply)}"


def _subject(reply: Reply) -> str:
    return str(reply) if reply is Reply.NAMELESS else f"it {reply}"
