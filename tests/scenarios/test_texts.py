"""Generated texts through the real client, against an extractor that was written apart."""

import random
import unicodedata
from collections.abc import Iterator

import pytest

from tests.conftest import eventually
from tests.scenarios.conftest import BRIDGES, Field, group_of

NUMBER_WORDS = ("DR", "dr", "Dr", "drop", "DROP", "Drop")
BETWEEN = ("", " ", "-", " - ", "\u00a0", " \u2013", "\n", "  ")
AROUND = (" ", ", ", ". ", "\n", " done ", " (photo) ", " \u2705 ", " @27000000101 ", "; ", "/")
NOISE = (
    "good morning",
    "XDR1234567",
    "DR12345",
    "DR123456789",
    "order 1234567",
    "27000000101",
    "dr pole 12",
    "DROPPED 3 cables",
    "DR-",
    "\u202atest\u202c",
    "1234567DR",
    "DR 12 34567",
)


def a_text(dice: random.Random) -> str:
    """Words and drops in any order, as people type them."""
    pieces = []
    for _ in range(dice.randint(1, 6)):
        if dice.random() < 0.5:
            digits = "".join(dice.choice("0123456789") for _ in range(dice.randint(5, 9)))
            if dice.random() < 0.1:
                digits = "".join(chr(0xFF10 + int(digit)) for digit in digits)
            pieces.append(dice.choice(NUMBER_WORDS) + dice.choice(BETWEEN) + digits)
        else:
            pieces.append(dice.choice(NOISE))
        pieces.append(dice.choice(AROUND))
    return "".join(pieces).strip()


def drops_by_hand(text: str) -> list[str]:
    """The drops of a text, read letter by letter: no pattern, and no code of ours."""
    plain = "".join(_plain(letter) for letter in text)
    found: list[str] = []
    for start, digits in _candidates(plain.upper()):
        before = plain[start - 1] if start else " "
        if 6 <= len(digits) <= 8 and not before.isalnum() and f"DR{digits}" not in found:
            found.append(f"DR{digits}")
    return found


def _plain(letter: str) -> str:
    if unicodedata.category(letter) in {"Cf", "Mn"}:
        return ""
    if unicodedata.category(letter) == "Pd":
        return "-"
    return unicodedata.normalize("NFKC", letter)


def _candidates(plain: str) -> Iterator[tuple[int, str]]:
    """Where a number word stands, and all digits that follow it, unless a letter touches them."""
    for start in range(len(plain)):
        word = next((w for w in ("DROP", "DR") if plain.startswith(w, start)), None)
        if word is None:
            continue
        rest = plain[start + len(word) :].lstrip()
        rest = rest[1:].lstrip() if rest.startswith("-") else rest
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        if not rest[len(digits) : len(digits) + 1].isalpha():
            yield start, digits


@pytest.mark.timeout(240)
def test_every_drop_of_a_thousand_texts_and_no_other_is_found(field: Field) -> None:
    """What an extractor written apart reads in 1,000 texts is exactly what Postgres holds."""
    dice = random.Random(20261124)
    field.member("Texts", "27000000201")
    texts = {f"TEXT{number:04d}": a_text(dice) for number in range(1000)}
    common = {"group": group_of("Texts"), "sender": "27000000201", "kind": "text"}
    field.post(
        "/api/messages/bulk",
        messages=[common | {"id": identity, "text": text} for identity, text in texts.items()],
    )
    expected = {
        (identity, drop) for identity, text in texts.items() for drop in drops_by_hand(text)
    }

    def found() -> set[tuple[str, str]]:
        rows = field.sql(
            "SELECT message_id, drop_number FROM public.drop_mentions WHERE chat = %s",
            group_of("Texts"),
        )
        return {(row["message_id"], row["drop_number"]) for row in rows}

    eventually("as many mentions as were written", lambda: len(found()) >= len(expected), 120)
    for bridge in BRIDGES:  # Postgres may have it all from one of them
        eventually(
            f"{bridge} has every text",
            lambda b=bridge: texts == field.texts(b, "Texts"),  # type: ignore[misc]
        )
    eventually("nothing is pending", field.published, 60)
    assert expected == found()
