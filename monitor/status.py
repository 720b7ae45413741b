"""What a monitor knows of itself; written by the follower on the loop, read by health."""

import time
from dataclasses import dataclass, field

from contracts.messages import MessagesUnreadable, StoreIdentity
from monitor.file import MessagesMissing
from monitor.health import Facts, Following


@dataclass(slots=True)
class Status:
    """The state of now."""

    following: Following = field(default_factory=Following)
    trouble: MessagesUnreadable | None = None
    database_word: str = "starting"
    database_reason: str = "not connected yet"
    lacked: int | None = None
    refused: dict[tuple[str, str, str], str] = field(default_factory=dict)
    _turned: float = field(default_factory=time.monotonic)
    _due: tuple[int, float] | None = None
    """What had been written when the monitor was first seen behind, and when that was."""

    def turn(self) -> None:
        """The loop turns."""
        self._turned = time.monotonic()

    def saw(self, identity: StoreIdentity, read_to: int | None) -> None:
        """The file was looked at; `read_to` is how far its changes have been applied."""
        self.trouble = None
        self.following = Following(identity.bridge, identity.store_id, read_to, identity.seq)
        now = time.monotonic()
        if read_to == identity.seq:
            self._due = None
        elif self._due is None or (read_to is not None and read_to >= self._due[0]):
            self._due = (identity.seq, now)

    def saw_nothing(self, trouble: MessagesUnreadable) -> bool:
        """The file cannot be read; tells whether that is news."""
        news = str(trouble) != str(self.trouble)
        self.trouble = trouble
        self.following = Following()
        self._due = None
        return news

    def say_database(self, word: str, reason: str) -> bool:
        """What is known of Postgres; tells whether that is news."""
        news = (word, reason) != (self.database_word, self.database_reason)
        self.database_word, self.database_reason = word, reason
        return news

    def facts(self) -> Facts:
        """Everything that health is judged by."""
        now = time.monotonic()
        return Facts(
            following=self.following,
            file_trouble=None if self.trouble is None else str(self.trouble),
            file_missing=isinstance(self.trouble, MessagesMissing),
            database_word=self.database_word,
            database_reason=self.database_reason,
            behind_s=0.0 if self._due is None else now - self._due[1],
            refused=len(self.refused),
            lacked=self.lacked,
            turned_s=now - self._turned,
        )
