"""Take over whatsapp.db, the session of the older bridge, so that nobody has to pair again."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from bridge.takeover.files import NotTakenOver

FILE = "whatsapp.db"


def refuse_unfit(copy: Path, session: Path, expected_number: str) -> None:
    """Look at the copy and at the place it is for; finishes what the old process left undone.

    Raises NotTakenOver.
    """
    if (session / FILE).exists():
        raise NotTakenOver("this bridge has a session already; it stays as it is")
    try:
        with closing(sqlite3.connect(copy)) as db:
            ((state,),) = db.execute("PRAGMA integrity_check(1)")
            if state != "ok":
                raise NotTakenOver(f"{FILE} is damaged: {state}")
            devices = [str(jid) for (jid,) in db.execute("SELECT jid FROM whatsmeow_device")]
            db.execute("PRAGMA journal_mode = delete")
    except sqlite3.Error as error:
        raise NotTakenOver(f"{FILE} is no session of this client: {error}") from error
    if len(devices) != 1:
        raise NotTakenOver(f"{FILE} has {len(devices)} devices, and one is needed")
    number = devices[0].partition("@")[0].partition(":")[0].partition(".")[0]
    if expected_number and number != expected_number:
        raise NotTakenOver(f"{FILE} belongs to another number than this bridge expects")


def take_session(copy: Path, session: Path) -> None:
    """Put the copy into its place, whole or not at all; raises OSError."""
    draft = session / f"{FILE}.new"
    with draft.open("wb") as target:
        target.write(copy.read_bytes())
        target.flush()
        os.fsync(target.fileno())
    draft.rename(session / FILE)
