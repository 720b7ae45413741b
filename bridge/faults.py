"""What can happen to a bridge, and what it then says, does, loses and needs: one frozen table.

docs/faults.md is made of it, the drills of tests/scenarios/ read it, and the log quotes from it
what a person has to do. Seconds are those of a quiet machine and the timings of config/stack.yaml.
"""

from dataclasses import dataclass
from enum import StrEnum

from bridge.connection import Word


class Returns(StrEnum):
    """Whether the bridge hears again by itself."""

    STAYS = "it never left"
    AT_ONCE = "by itself, at once"
    BY_ITSELF = "by itself, when the cause is over"
    ON_REQUEST = "when a service asks (`POST /reconnect`), or after a restart"
    PERSON = "not before a person has acted: no reconnect war"


class Lost(StrEnum):
    """What this bridge does not get any more; the other one has it."""

    NOTHING = "nothing"
    RECEIPTED = "what was receipted and not stored yet"
    UNTIL_PAIRED = "what is sent until it is paired again"


NO_ANSWER = "no answer"
"""The word for a bridge whose /health does not answer."""

NOBODY = "nothing"


@dataclass(frozen=True, slots=True)
class Fault:
    """One row."""

    name: str
    what: str
    logged: str
    """A part of the line that says so; empty if nothing is to be said."""
    part: str
    word: str
    """What this part of /health says; where it is over at once, only the log has it."""
    within_s: int
    returns: Returns
    lost: Lost
    person: str


_DEAF_S = 125  # deaf_s of config/stack.yaml and the time between two questions to the peers

_ALERTED = "find the other process with this session and stop it, then restart the bridge"
_PAIR = "scan the new QR code of the bridge's page with the phone of this number"

TABLE = (
    Fault(
        "close", "the server closes the connection", "WhatsApp state=disconnected",
        "whatsapp", Word.DISCONNECTED, 1, Returns.AT_ONCE, Lost.NOTHING, NOBODY,
    ),
    Fault(
        "abort", "the connection is cut", "WhatsApp state=disconnected",
        "whatsapp", Word.DISCONNECTED, 1, Returns.AT_ONCE, Lost.NOTHING, NOBODY,
    ),
    Fault(
        "split", "a frame comes in two pieces, after which the client can decrypt none",
        "reconnecting", "whatsapp", Word.STOPPED, 1, Returns.AT_ONCE, Lost.NOTHING, NOBODY,
    ),
    Fault(
        "refused", "the server refuses each login with 503", "WhatsApp state=disconnected",
        "whatsapp", Word.DISCONNECTED, 1, Returns.BY_ITSELF, Lost.NOTHING, NOBODY,
    ),
    Fault(
        "gone", "the server is not there", "WhatsApp state=disconnected",
        "whatsapp", Word.DISCONNECTED, 1, Returns.BY_ITSELF, Lost.NOTHING,
        "for more than minutes: check the line",
    ),
    Fault(
        "silent", "the server answers nothing, not even a ping", 'WhatsApp state="server silent"',
        "whatsapp", Word.SILENT, 45, Returns.BY_ITSELF, Lost.NOTHING, NOBODY,
    ),
    Fault(
        "deaf", "the server answers everything and delivers nothing", "hearing verdict=deaf",
        "hearing", "deaf", _DEAF_S, Returns.ON_REQUEST, Lost.NOTHING,
        "without a failover: restart the bridge",
    ),
    Fault(
        "deaf_in_a_group", "the server delivers nothing of one group", "hearing verdict=deaf",
        "hearing", "deaf", _DEAF_S, Returns.ON_REQUEST, Lost.NOTHING,
        "without a failover: restart the bridge",
    ),
    Fault(
        "replaced", "another process uses the session", "WhatsApp state=replaced",
        "whatsapp", Word.REPLACED, 1, Returns.PERSON, Lost.NOTHING, _ALERTED,
    ),
    Fault(
        "logged_out", "the phone removes the device while it is connected",
        'WhatsApp state="logged out"',
        "whatsapp", Word.PAIRING, 10, Returns.PERSON, Lost.UNTIL_PAIRED, _PAIR,
    ),
    Fault(
        "logged_out_at_connect", "the phone removed the device while the bridge was away",
        'WhatsApp state="logged out"',
        "whatsapp", Word.PAIRING, 10, Returns.PERSON, Lost.UNTIL_PAIRED, _PAIR,
    ),
    Fault(
        "banned", "WhatsApp bans the account for a while", "WhatsApp state=banned",
        "whatsapp", Word.BANNED, 1, Returns.BY_ITSELF, Lost.NOTHING,
        "neither restart nor pair until it is over",
    ),
    Fault(
        "outdated", "WhatsApp refuses this version of the client",
        'WhatsApp state="client outdated"',
        "whatsapp", Word.OUTDATED, 1, Returns.PERSON, Lost.NOTHING,
        "update to a version with a newer neonize; the reason names the one that runs",
    ),
    Fault(
        "duplicate", "every message is delivered twice", "",
        "whatsapp", Word.CONNECTED, 0, Returns.STAYS, Lost.NOTHING, NOBODY,
    ),
    Fault(
        "media_missing", "files cannot be downloaded: a bridge downloads none", "",
        "whatsapp", Word.CONNECTED, 0, Returns.STAYS, Lost.NOTHING, NOBODY,
    ),
    Fault(
        "media_slow", "downloads take for ever", "",
        "whatsapp", Word.CONNECTED, 0, Returns.STAYS, Lost.NOTHING, NOBODY,
    ),
    Fault(
        "media_truncated", "downloads end in the middle", "",
        "whatsapp", Word.CONNECTED, 0, Returns.STAYS, Lost.NOTHING, NOBODY,
    ),
    Fault(
        "store_locked", "another process holds messages.db locked", "cannot store, holding",
        "store", "holding", 11, Returns.BY_ITSELF, Lost.NOTHING,
        "find what uses the volume and stop it",
    ),
    Fault(
        "killed", "the process is killed", "bridge started",
        "", NO_ANSWER, 1, Returns.AT_ONCE, Lost.RECEIPTED, NOBODY,
    ),
    Fault(
        "frozen", "the whole process is stopped (SIGSTOP, a machine that sleeps)", "",
        "", NO_ANSWER, 5, Returns.BY_ITSELF, Lost.NOTHING,
        "if Docker calls it unhealthy and it stays so: restart the bridge",
    ),
    Fault(
        "stuck_loop", "the event loop hangs; the process ends itself with 70",
        "stuck, ending the process",
        "", NO_ANSWER, 35, Returns.AT_ONCE, Lost.NOTHING, "report it, with the log",
    ),
    Fault(
        "stuck_store", "an attempt to store hangs; the process leaves WhatsApp and ends with 70",
        "stuck, ending the process",
        "store", "holding", 50, Returns.AT_ONCE, Lost.RECEIPTED,
        "look at the disk under the volume; report it, with the log",
    ),
)  # fmt: skip

_TODO = {(row.part, row.word): row.person for row in reversed(TABLE)}
"""The first row that has a word decides: it is the ordinary one."""


def todo(part: str, word: str) -> str | None:
    """What a person has to do when this part says this word, or None if nothing."""
    needed = _TODO.get((part, word), NOBODY)
    return None if needed == NOBODY else needed
