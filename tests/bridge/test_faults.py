"""The table of faults: complete, and the same in the documents."""

from pathlib import Path

from bridge.connection import FINAL, Word
from bridge.faults import NOBODY, TABLE, Lost, Returns, todo
from tests.bridge.faults_page import page

DOCUMENT = Path(__file__).parents[2] / "docs" / "faults.md"


def test_the_page_is_made_of_the_table() -> None:
    """Who changes a row makes the page anew: `python -m tests.bridge.faults_page`."""
    assert DOCUMENT.read_text(encoding="utf-8") == page()


def test_every_fault_has_one_name() -> None:
    """The drills find their row by it."""
    assert len({row.name for row in TABLE}) == len(TABLE)


def test_what_ends_for_good_needs_a_person_and_says_what_for() -> None:
    """No row that waits for a person leaves that person without a word."""
    for row in TABLE:
        assert (row.returns is Returns.PERSON) <= (row.person != NOBODY), row.name
    waiting = {row.word for row in TABLE if row.returns is Returns.PERSON}
    assert waiting == FINAL | {Word.PAIRING}


def test_only_what_no_bridge_can_keep_is_lost() -> None:
    """The server keeps what was not receipted, for all but a device that is removed."""
    lost = {row.name: row.lost for row in TABLE if row.lost is not Lost.NOTHING}
    assert lost == {
        "logged_out": Lost.UNTIL_PAIRED,
        "logged_out_at_connect": Lost.UNTIL_PAIRED,
        "killed": Lost.RECEIPTED,
        "stuck_store": Lost.RECEIPTED,
    }


def test_the_log_quotes_the_table() -> None:
    """A line that needs a person says what that person has to do."""
    assert "QR code" in (todo("whatsapp", Word.PAIRING) or "")
    assert "neonize" in (todo("whatsapp", Word.OUTDATED) or "")
    assert todo("whatsapp", Word.CONNECTED) is None
    assert todo("whatsapp", Word.DISCONNECTED) is None
