"""Which groups this number is in, and who is behind a LID: asked of WhatsApp, told to the store."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from neonize.exc import NeonizeError

from bridge.connection import Connection
from bridge.listening import in_thread
from bridge.store import Store, StoreUnavailable
from bridge.whatsapp import Group
from contracts.projects import Projects

log = logging.getLogger(__name__)

LIDS_AT_ONCE = 100
LID_AGAIN_S = 600.0


class Asked(Protocol):
    """Who answers from threads: the client."""

    def groups(self) -> tuple[Group, ...]:
        """The groups this number is in; raises NeonizeError."""

    def pn_of(self, lid: str) -> str:
        """The phone number behind a LID, or ""."""


class Connected(Protocol):
    """The connection, as far as membership goes."""

    @property
    def state(self) -> Connection:
        """What is known of it."""

    @property
    def groups_changed(self) -> asyncio.Event:
        """Set at each login and whenever somebody joined or left somewhere."""

    @property
    def whatsapp(self) -> Asked:
        """The client."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds; tests shorten them."""

    settle_s: float = 2.0
    """Several changes at once are one question."""
    ask_again_s: float = 3600.0
    """For a change that no notification told."""
    failed_s: float = 60.0


class Membership:
    """The groups of this number, refreshed at each login, each change and each hour."""

    def __init__(
        self, listening: Connected, store: Store, projects: Projects, pace: Pace | None = None
    ) -> None:
        self._pace = pace or Pace()
        self._listening = listening
        self._store = store
        self._projects = projects
        self._asked: dict[str, float] = {}
        self.known = False
        self.absent_from: frozenset[str] = frozenset()
        self.known_at: float | None = None
        """When WhatsApp last told the groups (monotonic)."""
        self.member_since: dict[str, float] = {}
        """The groups this number is in, each since it was first told so (monotonic)."""
        self.resolve = asyncio.Event()

    async def watch_groups(self) -> None:
        """Ask for the groups until cancelled; feeds admins and aliases of all members."""
        changed = self._listening.groups_changed
        while True:
            wait_s = self._pace.ask_again_s
            if self._listening.state.connected:
                changed.clear()
                try:
                    await self._refresh()
                except (NeonizeError, StoreUnavailable) as failed:
                    log.warning("groups not known", extra={"reason": str(failed)})
                    wait_s = self._pace.failed_s
            try:
                async with asyncio.timeout(wait_s):
                    await changed.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(self._pace.settle_s)

    async def _refresh(self) -> None:
        asked = time.monotonic()
        groups = await in_thread(self._listening.whatsapp.groups)
        now_ms = time.time_ns() // 1_000_000
        for group in groups:
            await asyncio.to_thread(
                self._store.capture, "group_snapshot", group.snapshot, now_ms, True
            )
        member_of = {group.jid for group in groups}
        absent = frozenset(
            project.name for project in self._projects.projects if project.group not in member_of
        )
        if absent != self.absent_from or not self.known:
            level = logging.WARNING if absent else logging.INFO
            said = {"groups": len(groups), "absent_from": ",".join(sorted(absent)) or "none"}
            log.log(level, "groups", extra=said)
        self.absent_from, self.known = absent, True
        self.known_at = asked
        answered = time.monotonic()  # joined before this, not before the question
        self.member_since = {jid: self.member_since.get(jid, answered) for jid in member_of}
        self._asked.clear()
        self.resolve.set()

    async def watch_aliases(self) -> None:
        """Ask the client who is behind the LIDs that wrote something, until cancelled."""
        while True:
            await self.resolve.wait()
            self.resolve.clear()
            try:
                await self._resolve()
            except StoreUnavailable as failed:
                log.warning("aliases not known", extra={"reason": str(failed)})
            await asyncio.sleep(self._pace.settle_s)

    async def _resolve(self) -> None:
        now = time.monotonic()
        for lid in await asyncio.to_thread(self._store.unresolved_lids, LIDS_AT_ONCE):
            if now - self._asked.get(lid, -LID_AGAIN_S) < LID_AGAIN_S:
                continue
            self._asked[lid] = now
            if pn := await in_thread(_question(self._listening.whatsapp, lid)):
                await asyncio.to_thread(self._store.learn_alias, lid, pn, "client")


def _question(whatsapp: Asked, lid: str) -> Callable[[], str]:
    return lambda: whatsapp.pn_of(lid)
