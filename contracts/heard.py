"""GET /heard: what a bridge has heard, written by each bridge, read by its peers.

The answer is a window over the bridge's changes: rows after a change sequence, at most `LIMIT`.
It names identities and no texts. It needs the stack's API token.
"""

import json
from dataclasses import dataclass

LIMIT = 500
"""Rows in one answer; a full one means that there is more."""


@dataclass(frozen=True, slots=True)
class HeardMessage:
    """One message by its identity, and how it was heard."""

    chat: str
    id: str
    age_ms: int
    """How long ago it arrived, by the clock of the bridge that heard it."""
    witness: bool
    """Whether it came live and in time, readable and not our own: else it proves nothing."""


@dataclass(frozen=True, slots=True)
class HeardAnswer:
    """A window of what one bridge heard."""

    bridge: str
    store_id: str
    seq: int
    """The bridge's newest change; a cursor beyond it means that the file was replaced."""
    next: int
    """The cursor for the next question."""
    absent_from: tuple[str, ...] | None
    """Projects in whose group that number is not; None while WhatsApp has not told."""
    messages: tuple[HeardMessage, ...]

    def to_json(self) -> dict[str, object]:
        """The body: messages by group, each as `[id, age_ms, witness]`."""
        groups: dict[str, list[tuple[str, int, bool]]] = {}
        for one in self.messages:
            groups.setdefault(one.chat, []).append((one.id, one.age_ms, one.witness))
        return {
            "bridge": self.bridge,
            "store_id": self.store_id,
            "seq": self.seq,
            "next": self.next,
            "absent_from": self.absent_from,
            "groups": groups,
        }


def parse_heard(body: bytes) -> HeardAnswer:
    """Read an answer; raises ValueError if it is not one."""
    try:
        said = json.loads(body)
        absent = said["absent_from"]
        return HeardAnswer(
            bridge=str(said["bridge"]),
            store_id=str(said["store_id"]),
            seq=int(said["seq"]),
            next=int(said["next"]),
            absent_from=None if absent is None else tuple(str(name) for name in absent),
            messages=tuple(
                HeardMessage(chat, str(identity), int(age_ms), bool(witness))
                for chat, rows in said["groups"].items()
                for identity, age_ms, witness in rows
            ),
        )
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as wrong:
        raise ValueError(f"not an answer of /heard: {wrong!r}") from wrong
