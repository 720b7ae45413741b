"""What a WARN or ERROR line of the client library means for the messages.

Some messages are consumed without any event: the only trace is a line in the library's log. The
table below is written from the sources of whatsmeow (`message.go`, `client.go`, `retry.go`) and
SQLite's error texts. A line that it does not know is a *suspected loss*: silence is never health.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class Meaning(StrEnum):
    """What a line says about the messages."""

    HARMLESS = "harmless"
    PLACEHOLDER = "placeholder"  # an UndecryptableMessage event follows and is stored
    REDELIVERED = "redelivered"  # harmless if the id is in the store, else a detected loss
    CUT_OFF = "cut off"  # not acknowledged, so it comes again: looked for a little later
    OUT_OF_STEP = "out of step"  # no frame is read any more; a new login brings what came in them
    SUSPECTED = "suspected"
    DISK = "disk"  # the session could not be written: leave before more is acknowledged


@dataclass(frozen=True, slots=True)
class Finding:
    """A judged line: what it means and which message it names, as far as it names one."""

    meaning: Meaning
    text: str
    known: bool
    cause: str
    message_id: str | None = None
    chat: str | None = None
    sender: str | None = None


_SOURCE = r"(?P<sender>\S+?@\S+)(?: in (?P<chat>\S+@[^\s:]+))?"
_ID = r"(?P<id>\S+)"


_UNKNOWN = "line not known"
_UNKNOWN_MARK = "(unknown line) "
_DETECTED, _SUSPECTED = "detected", "suspected"


def _row(
    meaning: Meaning, cause: str, *patterns: str
) -> tuple[tuple[re.Pattern[str], Meaning, str], ...]:
    return tuple((re.compile(pattern), meaning, cause) for pattern in patterns)


_TABLE = (
    *_row(Meaning.SUSPECTED, "store set aside", r"^messages\.db was set aside"),  # our own
    *_row(
        Meaning.SUSPECTED,
        "given up at a stop",
        r"^A \S+ of \d+ bytes could not be stored before the client stopped",  # our own
    ),
    *_row(
        Meaning.DISK,
        "session not writable",
        # The one that names its message comes first: its loss is healed when that arrives.
        rf"(?i)error decrypting message {_ID} from {_SOURCE}.*failed to (?:store|save|put)",
        rf"(?i)error decrypting message {_ID} from {_SOURCE}.*(?:disk is full|database is locked)",
        r"(?i)disk is full|no space left on device|disk I/O error|database is locked",
        r"(?i)attempt to write a readonly database|unable to open database file",
    ),
    *_row(
        Meaning.REDELIVERED,
        "receipted and not stored",
        rf"^Ignoring message {_ID} from {_SOURCE}: .*old counter",
    ),
    *_row(
        Meaning.CUT_OFF,
        "connection ended in the middle",
        r"^Closing handler queue loop in the middle of handling <message [^>]*"
        r'from="(?P<chat>[^"]+)" id="(?P<id>[^"]+)"',
    ),
    # The cipher counts frames: after one that it cannot read it reads none, until a new login.
    *_row(Meaning.OUT_OF_STEP, "frames not decrypted", r"^Failed to decrypt frame"),
    *_row(
        Meaning.PLACEHOLDER,
        "not decrypted",
        rf"^Error decrypting message {_ID} from {_SOURCE}",
        rf"^Unavailable message {_ID} from {_SOURCE}",
    ),
    *_row(
        Meaning.SUSPECTED,
        "stanza not parsed",
        r"^Failed to parse message: ",
        r"^Failed to parse group notification",
        r"^Failed to (?:decompress frame|decode node in frame)",
    ),
    *_row(
        Meaning.SUSPECTED,
        "encryption not known",
        rf"^Unhandled encrypted message \(type \S*\) from {_SOURCE}",
        rf"^Unknown version -?\d+ in decrypted message from {_SOURCE}",
        rf"^Plaintext message from {_SOURCE}",
    ),
    *_row(
        Meaning.SUSPECTED,
        "content not readable",
        rf"^Error unmarshaling (?:decrypted|plaintext) message from {_SOURCE}",
        rf"^Failed to decode armadillo message from {_SOURCE}",
        r"^Failed to (?:parse|process) sender key distribution message",
    ),
    *_row(
        Meaning.SUSPECTED,
        "client failed inside",
        rf"^Message decryption for {_ID} panicked",
        r"panicked",
        rf"^Handler for {_ID} failed",
    ),
    *_row(
        Meaning.SUSPECTED,
        "connection ended in the middle",
        r"^Closing handler queue.*<message",
    ),
    *_row(
        Meaning.SUSPECTED,
        "not asked for again",
        rf"^Not sending any more retry receipts for {_ID}",
        rf"^Failed to send retry receipt for {_ID}",
    ),
    *_row(
        Meaning.SUSPECTED,
        "history not downloaded",
        # The phone has its receipt already and does not send the history again.
        r"^Failed to download history sync",
    ),
    *_row(
        Meaning.HARMLESS,
        "",
        # Connections come and go; the connection's own events tell it.
        r"^(?:Error reading from websocket|Error sending close to websocket)",
        r"^(?:Error reconnecting after|Initial connection failed|Failed to reconnect after 515)",
        r"^(?:Received stream end frame|Got 503 stream error|Unknown stream error)",
        r"^(?:Failed to send keepalive|Keepalive timed out|Forcing reconnect)",
        r"^Got \S+ connect failure|^(?:Temporary ban|Client outdated|Unknown connect failure)",
        r"^Received connect success without pairing",
        r"^Failed to (?:send post-connect passive IQ|get number of prekeys|refresh CAT)",
        r"^Got unexpected websocket message type|^Received partial header",
        # Slow or reordered, never lost: a stanza stays in the queue until it is handled.
        r"^Closing handler queue",
        r"^Node handling (?:took|is taking long)|^Continuing handling of",
        r"^Handler queue is full",
        # A receipt or ack that was not sent makes the server deliver again.
        r"^Failed to send (?:receipt|acknowledgement)",
        # Names, keys and settings that are no part of a message.
        r"^No LID found for|^Failed to get LID for|^Failed to migrate signal store",
        r"^Stored LID doesn't match|^Failed to save device after updating LID",
        r"(?i)app state|push name|business name|verified name|verified_name|privacy|tctoken",
        r"(?i)media_conn|media retry|presence|chat state|history sync|newsletter|mex event",
        r"(?i)prekey|OTKs left|device list hash|device notification|blocklist|passkey|pair-device",
        r"(?i)redacted phones|duplicate contacts|LID.?(?:PN)? mapping|NCT salt|fingerprint",
        r"^Failed to (?:delete all (?:identities|sessions)|parse (?:<bot>|<meta>) node)",
        r"^Got sender key distribution message in non-group chat",
        r"clearing stored identity and retrying",
        r"^Failed to (?:parse|handle) (?:receipt|retry receipt|client pairing props|code pair)",
        r"^(?:Unexpected node in|Failed to parse user node).*grouped receipt",
        r"^Dropping retry request|^Failed to create sender key distribution message to include",
        r"^Failed to send request for unavailable message",
        r"^(?:Error parsing group|Possibly failed to parse \S+ element in group node)",
        r"^Failed to (?:pair device|send pair error node)|^Invalid HMAC from pair success",
        r"^Failed to delete store after|^Set status notification|device_removed",
        r"^Failed to store message secret key",
        r"^Warnings while updating hash for|^Error fetching key \S+ while checking",
        r"^Failed to marshal account info|^Failed to download media",
        # Answers of the phone about a message whose placeholder is counted already.
        r"^(?:Missing response|Failed to \w+ (?:protobuf )?web message(?: info)?) in item",
        # A bridge sends nothing that must arrive.
        r"^Failed to encrypt|^Failed to get peer recipient PN",
        r"^Server returned different participant list hash",
    ),
)


def judge(text: str) -> Finding:
    """Look a log line up in the table; the first pattern that matches decides."""
    for pattern, meaning, cause in _TABLE:
        if found := pattern.search(text):
            named = found.groupdict()
            identity, chat, sender = named.get("id"), named.get("chat"), named.get("sender")
            return Finding(meaning, text, True, cause, identity, chat, sender)
    return Finding(Meaning.SUSPECTED, text, False, _UNKNOWN)


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss to be written down: `detected` (this message is gone) or `suspected`."""

    kind: str
    text: str
    chat: str | None
    message_id: str | None


def loss_of(finding: Finding, is_stored: Callable[[str, str], bool]) -> Loss | None:
    """The loss that a finding stands for, or None; direct messages are not captured, so not lost.

    `is_stored(chat, message_id)` is asked for what was delivered a second time (the ratchet has
    moved on, so what is not in the store cannot be read any more) and for what was cut off.
    """
    chat, identity = finding.chat, finding.message_id
    if finding.sender is not None and not (chat or "").endswith("@g.us"):
        return None
    match finding.meaning:
        case Meaning.HARMLESS | Meaning.PLACEHOLDER | Meaning.OUT_OF_STEP:
            return None
        case Meaning.REDELIVERED | Meaning.CUT_OFF:
            if identity is not None and chat is not None and is_stored(chat, identity):
                return None
            kind = _DETECTED if finding.meaning is Meaning.REDELIVERED else _SUSPECTED
            return Loss(kind, finding.text, chat, identity)
        case Meaning.SUSPECTED | Meaning.DISK:
            text = finding.text if finding.known else f"{_UNKNOWN_MARK}{finding.text}"
            return Loss(_SUSPECTED, text, chat, identity)


@dataclass(frozen=True, slots=True)
class Cause:
    """How many losses that are not healed have one cause; `kind` is detected or suspected."""

    kind: str
    cause: str
    count: int


def causes(losses: Iterable[tuple[str, str]]) -> tuple[Cause, ...]:
    """Count losses, each a kind and its text, by their cause, as this version reads the text."""
    counted = Counter((_kind(kind), _cause(kind, text)) for kind, text in losses)
    return tuple(Cause(kind, cause, count) for (kind, cause), count in sorted(counted.items()))


def _kind(kind: str) -> str:
    return _DETECTED if kind == _DETECTED else _SUSPECTED


@lru_cache(4096)
def _cause(kind: str, text: str) -> str:
    if kind not in (_DETECTED, _SUSPECTED):
        return kind  # the interpreter's own word, as "unreadable edit"
    return judge(text.removeprefix(_UNKNOWN_MARK)).cause or _UNKNOWN
