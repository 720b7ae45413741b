"""Writing mentions, and putting them into the outbox of every database."""

from typing import Any

from bridge.mentions import Derived, Named, derive
from bridge.store.transaction import Writer
from contracts.projects import Project

BY_AMENDMENT = 1
NO_MENTION = 2
"""By one of our own numbers, or by rules that no longer match: only found out later."""

_COLUMNS = (
    "project, rules_hash, sent_at, author_lid, author_pn, user_name, withdrawn, as_of, as_of_id"
)
_EXISTING = f"SELECT drop_number, {_COLUMNS} FROM mention WHERE chat = ? AND id = ?"  # noqa: S608 - constants
_WRITE = (
    f"INSERT OR REPLACE INTO mention (drop_number, chat, id, change_seq, {_COLUMNS})"  # noqa: S608 - constants
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def write_mentions(writer: Writer, chat: str, id_: str, named: list[Named], now: int) -> None:
    """Bring the mentions of one id up to date; nothing is ever removed, only withdrawn.

    Args:
        writer: inside its transaction.
        chat: the group.
        id_: the id.
        named: all messages that share it.
        now: milliseconds.
    """
    project = writer.projects.by_group(chat) if writer.projects else None
    if project is None:
        return
    derived = derive(named, project)
    existing = {row[0]: row[1:] for row in writer.execute(_EXISTING, chat, id_)}
    for drop in sorted(derived.keys() | existing.keys()):
        before = existing.get(drop)
        if drop in derived:
            after = _row(derived[drop], project.rules_hash)
        else:
            after = _no_mention(existing[drop])
        if after != before:
            change = writer.next_seq()
            writer.execute(_WRITE, drop, chat, id_, change, *after)
            for database in writer.known.databases if published(project) else ():
                writer.execute(
                    "INSERT OR REPLACE INTO outbox VALUES (?, ?, ?, ?, ?, ?, NULL)",
                    database, chat, id_, drop, change, now,
                )  # fmt: skip


def published(project: Project) -> bool:
    """Whether bridges publish its mentions: what only `dev` acts on is its monitor's alone."""
    return "prod" in project.environments


def _row(mention: Derived, rules_hash: str) -> tuple[Any, ...]:
    return (
        mention.project,
        rules_hash,
        mention.sent_at,
        mention.author.lid,
        mention.author.pn,
        mention.user_name,
        BY_AMENDMENT if mention.withdrawn else 0,
        mention.as_of,
        mention.as_of_id,
    )


def _no_mention(before: tuple[Any, ...]) -> tuple[Any, ...]:
    *head, _, as_of, as_of_id = before
    return (*head, NO_MENTION, as_of, as_of_id)
