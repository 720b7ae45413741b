"""Bringing mentions of a file to the ledger: only what it lacks, and around what it refuses."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from contracts.ledger import MAX_BATCH, Mention
from contracts.projects import Projects
from monitor.errors import Remedy, remedy_for, sentence
from monitor.ledger import Key, Ledger
from monitor.status import Status

log = logging.getLogger(__name__)

ALL_AT_FAULT = 10
"""A batch of at least so many, every one refused: then the database is at fault, not the rows."""


class AllRefusedError(Exception):
    """Every mention of a large batch was refused; carries what the first one got."""


class Application:
    """Applies mentions of the environment's groups; what comes of it is the ledger's business."""

    def __init__(self, projects: Projects, environment: str, status: Status) -> None:
        self._projects = projects
        self._status = status
        self.groups = {p.group: p for p in projects.of(environment)}

    def judged(self, mentions: Iterable[Mention]) -> list[Mention]:
        """Those of our groups, each held back if it is too old to be acted upon by itself."""
        now = datetime.now(UTC)
        since = {
            chat: self._projects.acted_on_since(project, now)
            for chat, project in self.groups.items()
        }
        return [
            replace(one, held_back=one.sent_at < since[one.chat])
            for one in mentions
            if one.chat in since
        ]

    def since(self) -> dict[str, datetime]:
        """From when on each project is acted on."""
        now = datetime.now(UTC)
        return {p.name: self._projects.acted_on_since(p, now) for p in self.groups.values()}

    async def apply(self, ledger: Ledger, bridge: str, mentions: Sequence[Mention]) -> list[Key]:
        """Bring to the ledger what it lacks; returns that, without what the ledger refused.

        Raises what asyncpg raises, and AllRefusedError.
        """
        applied: list[Key] = []
        for start in range(0, len(mentions), MAX_BATCH):
            some = mentions[start : start + MAX_BATCH]
            lacking = await self._lacking(ledger, some)
            if not lacking:
                continue
            refused = await self._record(ledger, bridge, lacking)
            if len(refused) == len(lacking) >= ALL_AT_FAULT:
                raise AllRefusedError(f"every mention is refused: {next(iter(refused.values()))}")
            self._note(lacking, refused)
            applied += [one.key for one in lacking if one.key not in refused]
        return applied

    async def _lacking(self, ledger: Ledger, mentions: Sequence[Mention]) -> list[Mention]:
        try:
            lacking = await ledger.lacking(mentions)
        except Exception as error:
            if remedy_for(error) is not Remedy.BISECT:
                raise
            return sorted(mentions)  # one of them is at fault; recording finds out which
        return sorted(one for one in mentions if one.key in lacking)

    async def _record(
        self, ledger: Ledger, bridge: str, mentions: Sequence[Mention]
    ) -> dict[Key, str]:
        """Record; a refused batch is halved until only the refused mentions remain."""
        try:
            await ledger.record(bridge, mentions)
        except Exception as error:
            if remedy_for(error) is not Remedy.BISECT:
                raise
            if len(mentions) == 1:
                return {mentions[0].key: sentence(error)}
            middle = len(mentions) // 2
            refused = await self._record(ledger, bridge, mentions[:middle])
            return refused | await self._record(ledger, bridge, mentions[middle:])
        return {}

    def _note(self, mentions: Sequence[Mention], refused: dict[Key, str]) -> None:
        for mention in mentions:
            if mention.key not in refused:
                self._status.refused.pop(mention.key, None)
            elif self._status.refused.get(mention.key) != refused[mention.key]:
                self._status.refused[mention.key] = refused[mention.key]
                log.error(
                    "mention refused",
                    extra={
                        "project": mention.project,
                        "drop": mention.drop_number,
                        "message_id": mention.message_id,
                        "reason": refused[mention.key],
                    },
                )
