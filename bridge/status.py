"""What is known of this bridge right now, gathered for the API: it judges, renders, never waits."""

import asyncio
import logging
import os
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path

from bridge import disk, health
from bridge import metrics as figures
from bridge.api import Pairing
from bridge.connection import Word
from bridge.faults import todo
from bridge.health import Facts, PublishFacts, StoreFacts
from bridge.listening import Listening
from bridge.losses import causes
from bridge.membership import Membership
from bridge.near_misses import read_near_misses
from bridge.page import Chat, Heard, Line, Page, render
from bridge.pairing_code import CodeAnswer, Codes
from bridge.peers import Peers
from bridge.publisher import PublishStatus
from bridge.retention import Keeper
from bridge.settings import Settings
from bridge.store import SET_ASIDE, RecentGroup, RecentMessage, Store, StoreUnavailable
from bridge.witness import Evidence, judge_hearing, lacking
from contracts.bridge_health import BridgeHealth, Ears
from contracts.health import Part, Verdict
from contracts.heard import HeardAnswer
from contracts.service import mask_number

log = logging.getLogger(__name__)

LOOK_S = 5.0
TURN_S = 1.0
RECENT = 5
_PROBE = ".writable"


class Status:
    """Gathers facts in the background; what the API asks is answered from memory."""

    def __init__(
        self,
        settings: Settings,
        listening: Listening,
        store: Store,
        membership: Membership,
        publishing: PublishStatus,
        peers: Peers,
        codes: Codes,
        keeper: Keeper,
    ) -> None:
        self._keeper = keeper
        self._settings = settings
        self._peers = peers
        self._codes = codes
        self._projects = {one.group: one.name for one in settings.projects.projects}
        self._listening = listening
        self._store = store
        self._membership = membership
        self._publishing = publishing
        self._counts = StoreFacts(None, "not read yet", 0.0)
        self._turned = time.monotonic()
        self._said: dict[str, str] = {}

    async def watch(self) -> None:
        """Read the counts and try the volumes every few seconds, until cancelled."""
        while True:
            try:
                self._counts = await asyncio.to_thread(self._look)
            except (StoreUnavailable, OSError) as unavailable:
                self._counts = StoreFacts(None, str(unavailable), 0.0)
            self._say_changes()
            deadline = time.monotonic() + LOOK_S
            while time.monotonic() < deadline:
                self._turned = time.monotonic()
                await asyncio.sleep(TURN_S)

    def _look(self) -> StoreFacts:
        for volume in (self._settings.messages, self._settings.session):
            _try_to_write(volume)
        counts = self._store.counts()
        lost = counts.detected_losses + counts.suspected_losses
        if not lost:
            return StoreFacts(counts, None, 0.0)
        losses = self._store.losses()
        aside = tuple(text for _, text in losses if text.startswith(SET_ASIDE))
        return StoreFacts(counts, None, 0.0, causes(losses), aside)

    def _say_changes(self) -> None:
        """Log each part's verdict when its word changes."""
        for part in health.judge(self.facts()).parts:
            if self._said.get(part.name) != part.word:
                first = part.name not in self._said
                self._said[part.name] = part.word
                if part.name in ("whatsapp", "publishing") or (first and part.ok):
                    continue  # these tell their own story
                level = logging.INFO if part.ok else logging.WARNING
                said = {"verdict": part.word, "reason": part.reason}
                if (needed := todo(part.name, part.word)) is not None:
                    said["todo"] = needed
                log.log(level, part.name, extra=said)

    def facts(self) -> Facts:
        """Everything a verdict is made of."""
        now = time.monotonic()
        held = self._listening.whatsapp.holds_since
        publishing = self._publishing
        return Facts(
            connection=self._listening.state,
            account=self._listening.account,
            room=self._listening.room,
            store=replace(self._counts, held_s=0.0 if held is None else now - held),
            publishing=PublishFacts(
                publishing.ok,
                publishing.word,
                publishing.reason,
                publishing.host,
                publishing.database,
                publishing.pending,
                publishing.parked,
            ),
            absent_from=self._membership.absent_from,
            nobody_in=self._peers.absent_everywhere(self._membership.absent_from),
            hearing=self._hearing(now),
            membership_known=self._membership.known,
            client_alive=self._listening.whatsapp.alive,
            client_stuck_s=self._listening.stuck_s,
            loop_stuck_s=now - self._turned,
            volumes=self._keeper.volumes,
        )

    def _hearing(self, now: float) -> Part:
        state = self._listening.state
        evidence = Evidence(
            connected_since=state.since if state.connected else None,
            membership_at=self._membership.known_at,
            member_since=self._membership.member_since,
            missing=self._peers.missing,
            peers_at=self._peers.answered_at,
            heard_at=self._listening.heard_at,
        )
        return judge_hearing(evidence, self._projects, self._settings.hearing, now)

    # --- what the API asks ----------------------------------------------------------------------

    def live(self) -> Verdict:
        """Whether the process makes progress."""
        return health.judge_life(self.facts())

    def health(self) -> BridgeHealth:
        """Whether a message sent now would be captured, and what is known of the ears."""
        return BridgeHealth(self._settings.name, health.judge(self.facts()), self._ears())

    def _ears(self) -> Ears:
        now = time.monotonic()
        state, heard_at = self._listening.state, self._listening.heard_at
        return Ears(
            connected_s=round(now - state.since, 1) if state.connected else None,
            queue_ended=state.connected and not state.backlog,
            live_age_s=None if heard_at is None else round(now - heard_at, 1),
            lacks=lacking(self._peers.missing, self._membership.member_since),
        )

    def reconnect(self) -> str | None:
        """Leave WhatsApp and dial anew; the reason if that must not be."""
        return self._listening.reconnect()

    def publish_health(self) -> Verdict:
        """Whether what was captured reaches Postgres."""
        return health.judge_publishing(self.facts())

    async def heard(self, after: int) -> HeardAnswer:
        """What was heard after a change; raises StoreUnavailable."""
        window = await asyncio.to_thread(self._store.heard_after, after)
        known = self._membership.known
        return HeardAnswer(
            bridge=self._settings.name,
            store_id=window.store_id,
            seq=window.seq,
            next=window.next,
            absent_from=tuple(sorted(self._membership.absent_from)) if known else None,
            messages=window.messages,
        )

    def connected(self) -> bool:
        """Whether WhatsApp is connected."""
        return self._listening.state.connected

    def pairing(self) -> Pairing:
        """Whether a code must be scanned; `paired` also while the connection is away."""
        state = self._listening.state
        if state.paired:
            return Pairing("paired", None)
        if state.word is Word.PAIRING:
            return Pairing("waiting", state.qr, self._codes.current)
        return Pairing("starting", None)

    async def pairing_code(self) -> CodeAnswer:
        """The 8-character code, if one may be asked for now."""
        return await self._codes.ask()

    async def near_misses(self, day: date | None) -> dict[str, object]:
        """Texts that nearly name a drop, of a day or of the last 24 hours; StoreUnavailable."""
        found = await asyncio.to_thread(
            read_near_misses, self._store, self._settings.projects, datetime.now(UTC), day
        )
        return found.to_json()

    async def metrics(self) -> bytes:
        """The figures for Prometheus; without those of a volume that is gone."""
        machine = await asyncio.to_thread(self._machine)
        return figures.render(self.facts(), machine)

    def _machine(self) -> figures.Machine:
        spaces: list[disk.Space] = []
        for volume in (self._settings.session, self._settings.messages):
            with suppress(OSError):  # health has a word for it; the other figures are still true
                spaces += disk.measure((volume,))
        return figures.Machine(tuple(spaces), figures.resident_bytes())

    async def page(self) -> str:
        """The page as HTML."""
        try:
            groups = await asyncio.to_thread(self._store.recent, RECENT)
        except StoreUnavailable:
            groups = ()
        zone = self._settings.projects.timezone
        verdict = health.judge(self.facts())
        return render(
            Page(
                title=f"Bridge {self._settings.label}",
                colour=_colour(verdict.parts, decided=verdict.ok),
                status=_headline(verdict),
                qr=self.pairing().qr,
                code=self.pairing().code,
                lines=[_line(part, decisive=verdict.ok) for part in verdict.parts],
                chats=[_chat(group, zone) for group in groups],
                now=f"{datetime.now(UTC).astimezone(zone):%Y-%m-%d %H:%M:%S %Z}",
            )
        )


def _try_to_write(volume: Path) -> None:
    """Write a byte to the disk; counts alone would not see a volume that became read-only."""
    descriptor = os.open(volume / _PROBE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(descriptor, b".", 0)
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def _headline(verdict: Verdict) -> str:
    if not verdict.ok:
        return "does not capture"
    return "captures" if all(part.ok for part in verdict.parts) else "captures, needs attention"


def _colour(parts: tuple[Part, ...], *, decided: bool) -> str:
    if not decided:
        return "bad"
    return "ok" if all(part.ok for part in parts) else "warn"


def _line(part: Part, *, decisive: bool) -> Line:
    colour = "ok" if part.ok else "warn" if decisive else "bad"
    return Line(part.name, colour, part.word, part.reason)


def _chat(group: RecentGroup, zone: tzinfo) -> Chat:
    title = group.name or group.jid
    project = f"{title} ({group.project})" if group.project else f"{title} (not configured)"
    return Chat(project, [_heard(one, zone) for one in group.recent])


def _heard(message: RecentMessage, zone: tzinfo) -> Heard:
    at = datetime.fromtimestamp(message.sent_at_ms / 1000, zone)
    number = mask_number(message.sender) if message.sender else "unknown"
    who = f"{message.user_name} ({number})" if message.user_name else number
    text = message.content or f"[{message.kind}]"
    return Heard(
        f"{at:%d %b %H:%M:%S %Z}", "this stack" if message.own else who,
        f"{text} (deleted)" if message.deleted else text,
    )  # fmt: skip
