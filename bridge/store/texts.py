"""What people wrote in some groups lately, as it stands now; read outside the writer's lock."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Query = Callable[..., list[tuple[Any, ...]]]

_TEXTS = """
SELECT chat, id, sent_at, user_name, content FROM message
 WHERE chat = ? AND sent_at >= ? AND sent_at < ?
   AND superseded_by IS NULL AND NOT deleted AND NOT own
   AND content <> '' AND (kind NOT IN ('edit', 'revoke', 'secret_edit') OR body <> '')
 ORDER BY sent_at DESC, id LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class GroupText:
    """One message by somebody else than us, after its accepted edits."""

    chat: str
    id: str
    sent_at: int
    """The server's time, milliseconds."""
    user_name: str | None
    content: str


def texts_between(
    query: Query, groups: Iterable[str], since_ms: int, until_ms: int, limit: int
) -> Iterator[GroupText]:
    """Read the newest `limit` messages of each group, newest first; deleted ones are left out."""
    for group in groups:
        for row in query(_TEXTS, group, since_ms, until_ms, limit):
            yield GroupText(*row)
