"""What a line of the client library's log means for the messages."""

from pathlib import Path

import neonize
import pytest

from bridge.losses import Cause, Loss, Meaning, causes, judge, loss_of

GROUP = "120363418298130331@g.us"
SENDER = "27820000001:1@s.whatsapp.net"


CUT_OFF = (
    "Closing handler queue loop in the middle of handling "
    f'<message addressing_mode="pn" from="{GROUP}" id="3EB01" notify="Ann" type="text"/>'
)


def _never(_chat: str, _id: str) -> bool:
    return False


def _always(_chat: str, _id: str) -> bool:
    return True


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("Failed to parse message: attribute participant not found", Meaning.SUSPECTED),
        (f"Unhandled encrypted message (type foo) from {SENDER} in {GROUP}", Meaning.SUSPECTED),
        (f"Unknown version 9 in decrypted message from {SENDER} in {GROUP}", Meaning.SUSPECTED),
        (f"Error unmarshaling decrypted message from {SENDER} in {GROUP}: x", Meaning.SUSPECTED),
        (f"Failed to decode armadillo message from {SENDER} in {GROUP}: x", Meaning.SUSPECTED),
        ("Message decryption for 3EB01 panicked: oh\ngoroutine 1", Meaning.SUSPECTED),
        ("Event handler panicked while handling a *events.Message: x", Meaning.SUSPECTED),
        ("Handler for 3EB01 failed", Meaning.SUSPECTED),
        ("Failed to download history sync: download failed with status 404", Meaning.SUSPECTED),
        (CUT_OFF, Meaning.CUT_OFF),
        ("Closing handler queue loop in the middle of handling <message/>", Meaning.SUSPECTED),
        ("Closing handler queue loop in the middle of handling <receipt/>", Meaning.HARMLESS),
        ("Not sending any more retry receipts for 3EB01", Meaning.SUSPECTED),
        ("Failed to decrypt frame: cipher: message authentication failed", Meaning.OUT_OF_STEP),
        ("Failed to decode node in frame: EOF", Meaning.SUSPECTED),
        ("Failed to download media: 404, trying with next host...", Meaning.HARMLESS),
        ("Missing response in item #1 of response to 3EB01", Meaning.HARMLESS),
        (f"Error decrypting message 3EB01 from {SENDER} in {GROUP}: bad mac", Meaning.PLACEHOLDER),
        (f'Unavailable message 3EB01 from {SENDER} in {GROUP} (type: "")', Meaning.PLACEHOLDER),
        ("Handler queue is full, message ordering is no longer guaranteed", Meaning.HARMLESS),
        ("Keepalive timed out", Meaning.HARMLESS),
        ("Error reading from websocket: EOF", Meaning.HARMLESS),
        ("No LID found for 27820000001@s.whatsapp.net", Meaning.HARMLESS),
        ("Failed to save session: database or disk is full", Meaning.DISK),
        ("Failed to put identity: database is locked (5)", Meaning.DISK),
    ],
)
def test_a_known_line_has_the_meaning_of_the_table(text: str, meaning: Meaning) -> None:
    """Every line that the sources of the client can write about messages is known."""
    finding = judge(text)
    assert (finding.meaning, finding.known) == (meaning, True)


def test_a_line_that_the_table_does_not_know_is_a_suspected_loss_with_its_text() -> None:
    """Silence is never health: a new version's new complaint is kept and counted."""
    finding = judge("Frobnication of the stanza went sideways")
    assert not finding.known
    text = f"(unknown line) {finding.text}"
    assert loss_of(finding, _always) == Loss("suspected", text, None, None)
    assert causes([("suspected", text)]) == (Cause("suspected", "line not known", 1),)


WRITTEN = """
Failed to parse message: %v
Plaintext message from %s doesn't have byte content
Error unmarshaling plaintext message from %s: %v
Message decryption for %s panicked: %v
Unavailable message %s from %s (type: %q)
Unhandled encrypted message (type %s) from %s
Ignoring message %s from %s: %v
Error decrypting message %s from %s: %v
Error unmarshaling decrypted message from %s: %v
Unknown version %d in decrypted message from %s
Handler for %s failed
Failed to parse sender key distribution message from %s for %s: %v
Failed to process sender key distribution message from %s for %s: %v
Failed to decode armadillo message from %s: %v
Event handler panicked while handling a %T: %v
Closing handler queue loop in the middle of handling %s
Failed to decrypt frame: %v
Failed to decompress frame: %v
Failed to decode node in frame: %v
Failed to parse group notification: %v
Not sending any more retry receipts for %s
Failed to send retry receipt for %s: %v
""".strip().splitlines()
"""The lines about messages, as whatsmeow's sources have them: their formats are in its library."""


def test_the_table_is_that_of_the_client_library_in_use() -> None:
    """A line that a new version words otherwise would count as unknown: look at its sources."""
    (library,) = Path(neonize.__file__).parent.glob("neonize-*.so")
    said = library.read_bytes()
    assert [line for line in WRITTEN if line.encode() not in said] == []


def test_losses_are_counted_by_what_they_come_from() -> None:
    """As this version reads their text; what the interpreter says of an edit is its own cause."""
    lost = [
        ("suspected", f"Unhandled encrypted message (type foo) from {SENDER} in {GROUP}"),
        ("suspected", f"Unknown version 9 in decrypted message from {SENDER} in {GROUP}"),
        ("suspected", "Failed to parse message: x"),
        ("detected", f"Ignoring message 3EB0AA from {SENDER} in {GROUP}: old counter"),
        ("unreadable edit", "encrypted with a secret"),
    ]
    assert causes(lost) == (
        Cause("detected", "receipted and not stored", 1),
        Cause("suspected", "encryption not known", 2),
        Cause("suspected", "stanza not parsed", 1),
        Cause("suspected", "unreadable edit", 1),
    )


def test_an_old_counter_with_an_unknown_id_is_a_detected_loss_that_names_the_message() -> None:
    """The ratchet moved on and nothing was stored: this message is gone, and we know which."""
    text = (
        f"Ignoring message 3EB0AA from {SENDER} in {GROUP}: "
        "received message with old counter: index: 4, count: 3"
    )
    assert loss_of(judge(text), _never) == Loss("detected", text, GROUP, "3EB0AA")


def test_an_old_counter_of_a_stored_message_is_no_loss() -> None:
    """A server that delivers twice does no harm."""
    text = f"Ignoring message 3EB0AA from {SENDER} in {GROUP}: received message with old counter"
    asked: list[tuple[str, str]] = []

    def is_stored(chat: str, message_id: str) -> bool:
        asked.append((chat, message_id))
        return True

    assert loss_of(judge(text), is_stored) is None
    assert asked == [(GROUP, "3EB0AA")]


def test_a_direct_message_is_never_a_loss_since_none_is_captured() -> None:
    """Only groups are stored; a private chat's trouble is nobody's business."""
    twice = f"Ignoring message 3EB0AA from {SENDER}: received message with old counter"
    elsewhere = (
        f"Unhandled encrypted message (type foo) from {SENDER} in 27820000009@s.whatsapp.net"
    )
    assert loss_of(judge(twice), _never) is None
    assert loss_of(judge(elsewhere), _never) is None


def test_a_stanza_that_was_cut_off_is_suspected_only_if_it_did_not_come_again() -> None:
    """It was not acknowledged, so the server delivers it once more."""
    assert loss_of(judge(CUT_OFF), _always) is None
    assert loss_of(judge(CUT_OFF), _never) == Loss("suspected", CUT_OFF, GROUP, "3EB01")


def test_an_undecryptable_message_is_no_loss_here_since_its_placeholder_is_stored() -> None:
    """The event that follows the line is captured; counting both would count one message twice."""
    text = f"Error decrypting message 3EB01 from {SENDER} in {GROUP}: no sender key"
    assert loss_of(judge(text), _never) is None


def test_a_full_disk_is_seen_even_inside_a_decryption_error() -> None:
    """The message is acknowledged although its session could not be written: leave at once."""
    text = f"Error decrypting message 3EB01 from {SENDER} in {GROUP}: database or disk is full"
    assert judge(text).meaning is Meaning.DISK
