"""The files that a media host holds: those every simulator has, and what clients uploaded.

A file is known by the hash of its encrypted bytes, so that a second upload of it is the same file.
Facts: whatsmeow `upload.go`: `POST /mms/KIND/TOKEN?auth=&token=` with the encrypted bytes, where
the token is that hash in URL-safe base64; the answer names the direct path to put in a message.
"""

from base64 import urlsafe_b64decode
from binascii import Error
from hashlib import sha256

from simulator.database import Database
from simulator.media import HOST, PHOTO, REPORT, direct_path, name_of

AUTH = "simulated"
"""What a client got from the chat server and shows to the media host."""

SCHEMA = """
create table if not exists files (name text primary key, encrypted blob not null);
"""
_BUILT_IN = {file.name: file.encrypted for file in (PHOTO, REPORT)}


class UploadError(ValueError):
    """The upload is not what its address says."""


class Files:
    """All files by name; what was kept is durable after `database.committed()`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.script(SCHEMA)

    def get(self, name: str) -> bytes | None:
        """The encrypted bytes, or None if there is no such file."""
        if name in _BUILT_IN:
            return _BUILT_IN[name]
        rows = self._database.read("select encrypted from files where name = ?", name)
        return bytes(rows[0]["encrypted"]) if rows else None

    def keep(self, encrypted: bytes) -> str:
        """Keep a file; returns its name."""
        name = name_of(sha256(encrypted).digest())
        if name not in _BUILT_IN:
            self._database.write("insert or ignore into files values (?, ?)", name, encrypted)
        return name

    async def upload(self, token: str, auth: str, encrypted: bytes) -> dict[str, str]:
        """Keep what a client sends, and say where it is; raises UploadError."""
        if auth != AUTH:
            raise UploadError(f"not what the chat server gave out: {auth!r}")
        if _hash_in(token) != sha256(encrypted).digest():
            raise UploadError("the token is not the hash of what was sent")
        name = self.keep(encrypted)
        await self._database.committed()
        path = direct_path(name)
        return {"url": f"https://{HOST}{path}", "direct_path": path, "handle": name}

    async def drop(self, token: str) -> None:
        """Delete a file: clients do so with a history that they have read."""
        self._database.write("delete from files where name = ?", name_of(_hash_in(token)))
        await self._database.committed()


def _hash_in(token: str) -> bytes:
    try:
        return urlsafe_b64decode(token)
    except (Error, ValueError) as wrong:
        raise UploadError(f"not a token: {token!r}") from wrong
