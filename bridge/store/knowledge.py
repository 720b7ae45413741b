"""What becomes known beside the messages: who is who, who administers, which numbers are ours.

Each of these makes messages *due*: they are computed again by the interpreter, later and in small
transactions. All functions run inside a transaction of their caller.
"""

from collections.abc import Iterable

from bridge.event import GroupFacts
from bridge.merge import Evidence
from bridge.store.projection import encode_admins
from bridge.store.transaction import Writer
from contracts.projects import Projects


def learn_pair(writer: Writer, lid: str, pn: str, source: str, now: int) -> bool:
    """Know which phone number is behind a LID; the first word stays, another one is noted.

    Returns whether it was news.
    """
    known = writer.known.phones.get(lid)
    if known == pn:
        return False
    if known is not None:
        writer.execute(
            "INSERT OR IGNORE INTO loss (at, kind, text, chat, id) VALUES (?, ?, ?, ?, ?)",
            now, "contradicting alias", f"{source} says another phone number for a LID", lid, pn,
        )  # fmt: skip
        return False
    writer.execute("INSERT INTO alias VALUES (?, ?, ?, ?)", lid, pn, source, now)
    writer.known.pair(lid, pn)
    writer.execute(
        # Also rows that know both: two copies may have been held for one message.
        "INSERT OR IGNORE INTO todo"
        " SELECT chat, id FROM message WHERE author_lid = ?1 AND author_pn IS NOT ?2"
        " UNION SELECT chat, id FROM message WHERE author_pn = ?2 AND author_lid IS NOT ?1",
        lid, pn,
    )  # fmt: skip
    return True


def learn_pairs(writer: Writer, authors: Iterable[Evidence], source: str, now: int) -> None:
    """Learn from everybody who is known by both."""
    for author in authors:
        if author.lid is not None and author.pn is not None:
            learn_pair(writer, author.lid, author.pn, source, now)


def learn_group(writer: Writer, facts: GroupFacts, now: int) -> None:
    """Know a group's name, its admins, and its members' numbers."""
    if not facts.chat:
        return
    writer.execute("INSERT OR IGNORE INTO chat (jid) VALUES (?)", facts.chat)
    if facts.name is not None:
        writer.execute(
            "UPDATE chat SET name = ?2, named_at = ?3 WHERE jid = ?1 AND named_at <= ?3",
            facts.chat, facts.name, facts.at,
        )  # fmt: skip
    learn_pairs(writer, facts.pairs, "group", now)
    if facts.admins is not None or facts.promoted or facts.demoted:
        _learn_admins(writer, facts)


def _learn_admins(writer: Writer, facts: GroupFacts) -> None:
    encoded = encode_admins(facts)
    (latest,) = writer.execute(
        "SELECT facts FROM admin_evidence WHERE chat = ? AND at <= ? ORDER BY at DESC LIMIT 1",
        facts.chat, facts.at,
    ) or [(None,)]  # fmt: skip
    if latest[0] == encoded and facts.admins is not None:
        return  # the same list again says nothing new
    writer.execute(
        "INSERT OR IGNORE INTO admin_evidence VALUES (?, ?, ?)", facts.chat, facts.at, encoded
    )
    writer.execute(
        "INSERT OR IGNORE INTO todo"
        " SELECT chat, target_id FROM amendment WHERE chat = ? AND kind = 'revoke'",
        facts.chat,
    )


def own_numbers(writer: Writer, numbers: Iterable[str]) -> bool:
    """Know more of our own numbers (phone or LID digits); returns whether any was news."""
    news = set(numbers) - writer.known.own
    for number in sorted(news):
        writer.execute("INSERT INTO own_number VALUES (?)", number)
        writer.known.own.add(number)
        writer.execute(
            "INSERT OR IGNORE INTO todo"
            " SELECT chat, id FROM message WHERE author_lid = ?1"
            " UNION SELECT chat, id FROM message WHERE author_pn = ?1",
            number,
        )
    return bool(news)


def rules(writer: Writer, projects: Projects) -> int:
    """Search by these rules from now on; returns how many groups are replayed.

    A project that is new, or whose rules changed, has everything that is stored for its group
    searched again. One that is taken away keeps its mentions, and is new when it comes back.
    """
    writer.projects = projects
    before = {
        chat: (project, rules_hash)
        for chat, project, rules_hash in writer.execute(
            "SELECT chat, project, rules_hash FROM rules"
        )
    }
    # Several projects may name one group; by_group says which of them counts.
    chosen = {one.group: projects.by_group(one.group) for one in projects.projects}
    now = {chat: (one.name, one.rules_hash) for chat, one in chosen.items() if one is not None}
    for chat in before.keys() - now.keys():
        writer.execute("DELETE FROM rules WHERE chat = ?", chat)
    changed = [chat for chat, wanted in now.items() if before.get(chat) != wanted]
    for chat in changed:
        stored = writer.execute("SELECT 1 FROM message WHERE chat = ? LIMIT 1", chat)
        writer.execute(
            "INSERT OR REPLACE INTO rules VALUES (?, ?, ?, ?)",
            chat, *now[chat], "" if stored else None,
        )  # fmt: skip
    return len(changed)
