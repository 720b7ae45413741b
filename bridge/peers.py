"""Asks the other bridges what they heard, and keeps what of it has not arrived here."""

import asyncio
import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import aiohttp

from bridge.settings import Peer
from bridge.store import Store, StoreUnavailable
from bridge.witness import Missing
from contracts.heard import LIMIT, HeardAnswer, parse_heard

log = logging.getLogger(__name__)

ASK_S = 2.0
ANSWER_S = 5.0
KEPT_AT_MOST = 10_000  # the newest: what was missed before a reconnect proves nothing any more
KEPT_S = 24 * 3600.0
LOOK_BACK = 2_000
"""Changes of a peer that are looked at when it is asked for the first time."""


@dataclass(slots=True)
class _Told:
    """What one peer has told so far."""

    peer: Peer
    store_id: str = ""
    after: int = 0
    at: float | None = None
    absent_from: tuple[str, ...] | None = None
    trouble: str = ""


class Peers:
    """What the peers heard that we lack; asked until cancelled, answered from memory."""

    def __init__(self, peers: Sequence[Peer], token: str, store: Store) -> None:
        self._told = [_Told(peer) for peer in peers]
        self._token = token
        self._store = store
        self._missing: dict[tuple[str, str], Missing] = {}

    @property
    def missing(self) -> Collection[Missing]:
        """Messages that a peer heard live and of which nothing arrived here."""
        return tuple(self._missing.values())

    @property
    def answered_at(self) -> dict[str, float | None]:
        """When each peer last answered (monotonic)."""
        return {told.peer.name: told.at for told in self._told}

    def absent_everywhere(self, own: Collection[str]) -> frozenset[str]:
        """Of the projects we are absent from, those in whose group no peer is either."""
        nobody = frozenset(own)
        for told in self._told:
            if told.absent_from is None:
                return frozenset()
            nobody &= frozenset(told.absent_from)
        return nobody

    async def watch(self) -> None:
        """Ask every peer every two seconds, until cancelled."""
        if not self._told:
            await asyncio.Event().wait()
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        headers = {"Authorization": f"Bearer {self._token}"}
        async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
            while True:
                await asyncio.gather(*(self._ask(session, told) for told in self._told))
                try:
                    await self._forget_arrived()
                except StoreUnavailable as failed:
                    log.warning("peers not compared", extra={"reason": str(failed)})
                await asyncio.sleep(ASK_S)

    async def _ask(self, session: aiohttp.ClientSession, told: _Told) -> None:
        trouble = ""
        try:
            while await self._ask_once(session, told):
                pass
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as failed:
            trouble = f"{type(failed).__name__}: {failed}"
        if bool(trouble) != bool(told.trouble):
            said = {"peer": told.peer.name, "reason": trouble or "answers"}
            log.log(logging.WARNING if trouble else logging.INFO, "peer", extra=said)
        told.trouble = trouble

    async def _ask_once(self, session: aiohttp.ClientSession, told: _Told) -> bool:
        """Ask for one window; whether there is more."""
        async with session.get(
            f"{told.peer.url}/heard", params={"after": str(told.after)}
        ) as answer:
            answer.raise_for_status()
            heard = parse_heard(await answer.read())
        told.absent_from = heard.absent_from
        if heard.store_id != told.store_id or heard.seq < told.after:
            # The first answer, another file, or one that somebody put back.
            told.store_id, told.after = heard.store_id, max(0, heard.seq - LOOK_BACK)
            return True
        self._keep(heard)
        told.after = heard.next
        told.at = time.monotonic()
        return len(heard.messages) == LIMIT

    def _keep(self, heard: HeardAnswer) -> None:
        now = time.monotonic()
        for one in heard.messages:
            if one.witness:
                missing = Missing(one.chat, one.id, now - one.age_ms / 1000)
                self._missing.setdefault((one.chat, one.id), missing)
        while len(self._missing) > KEPT_AT_MOST:
            del self._missing[next(iter(self._missing))]

    async def _forget_arrived(self) -> None:
        asked = list(self._missing)
        lacking = await asyncio.to_thread(self._store.lacking, asked)
        outdated = time.monotonic() - KEPT_S
        for identity in asked:
            if identity not in lacking or self._missing[identity].heard_at < outdated:
                del self._missing[identity]
