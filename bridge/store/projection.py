"""A message row is what its stored events say: computed again whenever one of them is new.

Everything here runs inside a write transaction of its caller. `project` reads the raw events of
one `(chat, id)`, decides with the pure modules, and writes what differs from the rows that are
there: so it may be run at any time, any number of times, and an interruption costs nothing.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError

from bridge.amendments import (
    AdminEvidence,
    Event,
    Projected,
    Verdict,
    judge,
    overall,
)
from bridge.amendments import (
    project as apply_amendments,
)
from bridge.event import AmendmentKind, GroupFacts, Interpretation, read
from bridge.mentions import Named
from bridge.merge import Cluster, Evidence, gather, number
from bridge.message import Composed, Copy, compose
from bridge.store.mentions import write_mentions
from bridge.store.transaction import Writer

Read = Interpretation | GroupFacts | None

_COLUMNS = (
    "rank, kind, author_lid, author_pn, user_name, from_me, own, sent_at, body, content, deleted,"
    " edited_at, filename, url, media_key, file_sha256, file_enc_sha256, file_length, received_at,"
    " live, superseded_by"
)
_ROWS = f"SELECT n, {_COLUMNS} FROM message WHERE chat = ? AND id = ?"  # noqa: S608 - constants
_INSERT = (
    f"INSERT INTO message (chat, id, n, change_seq, {_COLUMNS})"  # noqa: S608 - constants
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_UPDATE = (
    f"UPDATE message SET (change_seq, {_COLUMNS})"  # noqa: S608 - constants
    " = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " WHERE chat = ? AND id = ? AND n = ?"
)
_COPIES = (
    "SELECT seq, kind, payload, received_at, live, n FROM event WHERE chat = ? AND id = ?"
    " ORDER BY seq"
)
_AMENDMENTS = (
    "SELECT part, n, kind, target_id, claimed_lid, claimed_pn, author_lid, author_pn, sent_at,"
    " content FROM amendment WHERE chat = ? AND id = ? ORDER BY n, part"
)
_TARGETING = (
    "SELECT id, n, part, kind, claimed_lid, claimed_pn, author_lid, author_pn, sent_at, content,"
    " verdict FROM amendment WHERE chat = ? AND target_id = ?"
)


@dataclass(slots=True)
class Projection:
    """Projects messages in one transaction; `readings` spares reading an event twice."""

    writer: Writer
    now: int
    """Milliseconds."""
    readings: dict[int, Read] = field(default_factory=dict)
    _open: list[tuple[str, str]] = field(default_factory=list)

    def project(self, chat: str, id_: str) -> None:
        """Bring the rows of one id up to date, and those of the messages it amends."""
        self._open.append((chat, id_))
        seen: set[tuple[str, str]] = set()
        while self._open:
            address = self._open.pop()
            if address not in seen:
                seen.add(address)
                self._one(*address)

    def _one(self, chat: str, id_: str) -> None:
        copies = self._copies(chat, id_)
        rows = {row[0]: row[1:] for row in self.writer.execute(_ROWS, chat, id_)}
        if not copies:
            return
        clusters = gather([copy.author for copy in copies])
        numbers = number(clusters, [copy.n for copy in copies], rows)
        composed = [
            compose([copies[member] for member in cluster.members], cluster.author)
            for cluster in clusters
        ]
        projected = self._amend(chat, id_, composed)
        named: list[Named] = []
        for n, cluster, message, after in zip(numbers, clusters, composed, projected, strict=True):
            own = message.from_me or self.writer.known.is_own(message.author)
            self._write_row(n, message, after, own, rows.get(n))
            self._write_copies(n, cluster, copies)
            self._write_versions(n, message, after)
            named.append(Named(message.author, message.user_name, own, after))
        self._supersede(chat, id_, numbers, rows)
        self._write_amendments(chat, id_, [*zip(numbers, clusters, composed, strict=True)], copies)
        write_mentions(self.writer, chat, id_, named, self.now)

    def _copies(self, chat: str, id_: str) -> list[Copy]:
        copies = []
        for seq, kind, payload, received_at, live, n in self.writer.execute(_COPIES, chat, id_):
            if seq not in self.readings:
                self.readings[seq] = _read(kind, payload, received_at)
            said = self.readings[seq]
            if isinstance(said, Interpretation):
                author = self.writer.known.resolved(said.author)
                copies.append(Copy(seq, received_at, bool(live), n, author, said))
        return copies

    def _amend(self, chat: str, id_: str, composed: Sequence[Composed]) -> list[Projected]:
        accepted: list[list[Event]] = [[] for _ in composed]
        targeting = self.writer.execute(_TARGETING, chat, id_)
        admins = self._admins(chat) if targeting else ()
        for own_id, n, part, kind, c_lid, c_pn, lid, pn, sent_at, text, earlier in targeting:
            event = Event(
                sent_at,
                own_id,
                AmendmentKind(kind),
                self.writer.known.resolved(Evidence(lid, pn)),
                self.writer.known.resolved(Evidence(c_lid, c_pn)),
                text,
            )
            alone = len(composed) == 1
            verdicts = [judge(event, message.author, alone, admins) for message in composed]
            for index, verdict in enumerate(verdicts):
                if verdict is Verdict.ACCEPTED:
                    accepted[index].append(event)
            if overall(verdicts) != earlier:
                self.writer.execute(
                    "UPDATE amendment SET verdict = ?"
                    " WHERE chat = ? AND id = ? AND n = ? AND part = ?",
                    overall(verdicts), chat, own_id, n, part,
                )  # fmt: skip
        return [
            apply_amendments(id_, message.sent_at, message.bodies, events)
            for message, events in zip(composed, accepted, strict=True)
        ]

    def _admins(self, chat: str) -> tuple[AdminEvidence, ...]:
        return tuple(
            admin_evidence(at, facts, self.writer)
            for at, facts in self.writer.execute(
                "SELECT at, facts FROM admin_evidence WHERE chat = ?", chat
            )
        )

    def _write_row(
        self,
        n: int,
        message: Composed,
        after: Projected,
        own: bool,
        earlier: tuple[Any, ...] | None,
    ) -> None:
        media = message.media
        row = (
            int(message.rank), message.kind, message.author.lid, message.author.pn,
            message.user_name, int(message.from_me), int(own), message.sent_at,
            message.bodies[0].text if message.bodies else "", after.content, int(after.deleted),
            after.edited_at,
            *((media.filename, media.url, media.media_key, media.file_sha256,
               media.file_enc_sha256, media.file_length) if media else (None,) * 6),
            message.received_at, int(message.live), None,
        )  # fmt: skip
        if row == earlier:
            return
        change = self.writer.next_seq()
        if earlier is not None:
            self.writer.execute(_UPDATE, change, *row, message.chat, message.id, n)
            return
        self.writer.execute(_INSERT, message.chat, message.id, n, change, *row)
        self.writer.execute(
            "INSERT INTO chat (jid, last_message_at, messages) VALUES (?1, ?2, 1)"
            " ON CONFLICT DO UPDATE SET messages = messages + 1,"
            " last_message_at = max(last_message_at, ?2)",
            message.chat, message.sent_at,
        )  # fmt: skip

    def _write_copies(self, n: int, cluster: Cluster, copies: Sequence[Copy]) -> None:
        for member in cluster.members:
            if copies[member].n != n:
                self.writer.execute("UPDATE event SET n = ? WHERE seq = ?", n, copies[member].seq)

    def _write_versions(self, n: int, message: Composed, after: Projected) -> None:
        if len(after.versions) < 2:  # noqa: PLR2004 - a single text stands in the row itself
            return
        for version in after.versions:
            self.writer.execute(
                "INSERT OR IGNORE INTO message_version VALUES (?, ?, ?, ?, ?)",
                message.chat, message.id, n, version.sent_at, version.text,
            )  # fmt: skip

    def _supersede(
        self, chat: str, id_: str, numbers: Sequence[int], rows: dict[int, tuple[Any, ...]]
    ) -> None:
        for n in rows.keys() - set(numbers):
            if rows[n][-1] is None:
                # A pair of LID and phone number showed that two rows are one message. A key that
                # a reader has seen does not vanish: the row says where it went.
                self.writer.execute(
                    "UPDATE message SET superseded_by = ?, change_seq = ?"
                    " WHERE chat = ? AND id = ? AND n = ?",
                    min(numbers), self.writer.next_seq(), chat, id_, n,
                )  # fmt: skip

    def _write_amendments(
        self,
        chat: str,
        id_: str,
        messages: Iterable[tuple[int, Cluster, Composed]],
        copies: Sequence[Copy],
    ) -> None:
        now: list[tuple[Any, ...]] = []
        for n, cluster, message in sorted(messages, key=lambda one: one[0]):
            said = {
                (one.kind.value, one.target_id, one.claimed_author.lid, one.claimed_author.pn,
                 message.author.lid, message.author.pn, message.sent_at, one.text)
                for member in cluster.members
                for one in copies[member].said.amendments
            }  # fmt: skip
            ordered = sorted(said, key=lambda one: tuple(str(value) for value in one))
            now.extend((part, n, *one) for part, one in enumerate(ordered))
        before = self.writer.execute(_AMENDMENTS, chat, id_)
        if now == before:
            return
        self.writer.execute("DELETE FROM amendment WHERE chat = ? AND id = ?", chat, id_)
        for part, n, kind, target_id, *rest in now:
            self.writer.execute(
                "INSERT INTO amendment VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                chat, id_, n, part, kind, target_id, *rest, Verdict.WAITING,
            )  # fmt: skip
            if kind == AmendmentKind.SECRET:
                self._lose_secret(chat, id_, target_id)
        self._open.extend((chat, row[3]) for row in (*before, *now))

    def _lose_secret(self, chat: str, id_: str, target_id: str) -> None:
        self.writer.execute(
            "INSERT OR IGNORE INTO loss (at, kind, text, chat, id) VALUES (?, ?, ?, ?, ?)",
            self.now, "unreadable edit",
            f"edit {id_} of {target_id} is encrypted with a message secret", chat, id_,
        )  # fmt: skip


def admin_evidence(at: int, facts: str, writer: Writer) -> AdminEvidence:
    """What `encode_admins` wrote, with what is known of the members by now."""
    admins, promoted, demoted = (
        None if several is None else tuple(writer.known.resolved(Evidence(*one)) for one in several)
        for several in json.loads(facts)
    )
    return AdminEvidence(at, admins, promoted or (), demoted or ())


def encode_admins(facts: GroupFacts) -> str:
    """The admins as JSON: all (or null for a change), promoted, demoted."""
    return json.dumps([_sorted(facts.admins), _sorted(facts.promoted), _sorted(facts.demoted)])


def _sorted(several: tuple[Evidence, ...] | None) -> list[tuple[str | None, str | None]] | None:
    if several is None:
        return None
    return [(one.lid, one.pn) for one in sorted(set(several), key=lambda one: one.order)]


def _read(kind: str, payload: bytes, received_at: int) -> Read:
    try:
        return read(kind, payload, received_at)
    except (DecodeError, ValueError):
        return None  # the event itself bears the error
