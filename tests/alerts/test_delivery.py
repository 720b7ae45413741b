"""From the outbox to sinks that are really there, through Apprise in a child."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alerts.book import TRIES, Book, BookIncompatible, Due, Letter
from alerts.courier import without_secrets
from alerts.delivery import Sink, bring_by_child, deliver, deliver_next, wait_s
from alerts.judgement import Kind
from tests.alerts.sinks import SECRET, listening
from tests.alerts.sinks import Sink as Listening

LETTER = Letter(Kind.FAULT, "primary whatsapp: logged out", "By the phone.", urgent=True)


@pytest.fixture
def sink() -> Iterator[Listening]:
    """A sink that takes everything."""
    with listening() as there:
        yield there


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """A new book."""
    made = Book(tmp_path / "alerts.db")
    made.prepare([])
    return made


async def until(what: Callable[[], object]) -> None:
    """Wait until it is true."""
    async with asyncio.timeout(60):
        while not what():
            await asyncio.sleep(0.05)


async def test_a_letter_arrives_once_at_each_sink(
    book: Book, sink: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    """With its title, its kind and its number; no secret of an address is in the log."""
    caplog.set_level(logging.INFO)
    with listening() as other:
        sinks = [Sink.of(sink.url), Sink.of(other.url)]
        number = book.post(LETTER, [one.name for one in sinks], 1.0)
        delivering = asyncio.create_task(deliver(book, sinks, bring_by_child))
        await until(lambda: all(one.delivered for one in book.fate(number)))
        delivering.cancel()
        await asyncio.wait([delivering])

    for one in (sink, other):
        (letter,) = one.letters
        assert letter["title"] == "[Twinbridge] primary whatsapp: logged out"
        assert letter["message"] == f"By the phone.\nAlert {number}"
        assert letter["type"] == "failure"
    assert SECRET not in caplog.text
    assert SECRET not in repr(sinks)


async def test_a_sink_that_is_down_gets_it_later_and_once(book: Book, sink: Listening) -> None:
    """It is tried again with pauses, and the other sink is not kept waiting."""
    sink.refusing = True
    with listening() as other:
        sinks = [Sink.of(sink.url), Sink.of(other.url)]
        names = [one.name for one in sinks]
        numbers = [book.post(LETTER, names, float(at)) for at in range(2)]
        delivering = asyncio.create_task(deliver(book, sinks, bring_by_child, lambda _: 0.05))
        await until(lambda: sink.refused >= 2 and len(book.waiting()) == 1)
        (waiting,) = book.waiting()
        assert (waiting.sink, waiting.letters, waiting.oldest_at) == (names[0], 2, 0.0)
        assert waiting.trouble
        assert SECRET not in waiting.trouble

        sink.refusing = False
        await until(lambda: not book.waiting())
        delivering.cancel()
        await asyncio.wait([delivering])
        assert len(other.letters) == 2

    bodies = sorted(letter["message"] for letter in sink.letters)
    assert bodies == [f"By the phone.\nAlert {number}" for number in numbers]


async def test_an_address_that_apprise_does_not_know(book: Book) -> None:
    """The reason says so and does not show the address."""
    sink = Sink.of(f"nonsense://{SECRET}@nowhere/")
    book.post(LETTER, [sink.name], 1.0)

    trouble = await deliver_next(book, sink, bring_by_child, asyncio.Semaphore(1))

    assert trouble
    assert "knows no sink" in trouble
    assert SECRET not in trouble


async def test_a_letter_that_is_refused_for_ever_blocks_nothing(book: Book) -> None:
    """After some tries the next letter has its turn."""
    sink = Sink.of("json://refuses-the-first/")
    first, second = (book.post(LETTER, [sink.name], 1.0) for _ in range(2))

    async def bring(_: Sink, due: Due) -> str:
        return "too long" if due.id == first else ""

    for _ in range(TRIES + 1):
        await deliver_next(book, sink, bring, asyncio.Semaphore(1))

    assert [one.delivered for one in book.fate(second)] == [True]
    assert [one.trouble for one in book.fate(first)] == ["too long"]


def test_pauses_grow_to_five_minutes() -> None:
    """A sink that is down for a day is not called a thousand times."""
    assert [wait_s(failures) for failures in (1, 2, 3, 7, 8, 1_000)] == [5, 10, 20, 300, 300, 300]


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("tgram://123456:AAbbCC/987654321", "401 for bot123456:AAbbCC chat 987654321"),
        ("mailto://me:p%40ss@mail.example", "535 me p@ss refused by mail.example"),
        ("json://h/p?token=Abc123", "at https://h/p?token=abc123"),
    ],
)
def test_nothing_of_an_address_is_in_a_reason(url: str, line: str) -> None:
    """Whatever a plugin says, the pieces of the address are gone, in any case and decoded."""
    said = without_secrets(line, url).lower()
    for secret in ("aabbcc", "987654321", "p@ss", "p%40ss", "abc123", "mail.example"):
        assert secret not in said


def test_a_corrected_address_gets_what_nobody_has_had(book: Book) -> None:
    """What one sink had is not sent to a new one; what waits for one that is gone is not lost."""
    old, new = Sink.of("json://wrong/"), Sink.of("json://right/")
    book.prepare([old.name])
    had = book.post(LETTER, [old.name], 1.0)
    book.record(had, old.name, "", 2.0)
    waits = book.post(LETTER, [old.name], 3.0)

    book.prepare([new.name])

    assert [(one.sink, one.letters) for one in book.waiting()] == [(new.name, 1)]
    due = book.next_for(new.name)
    assert due is not None
    assert due.id == waits


def test_a_damaged_book_is_set_aside(tmp_path: Path) -> None:
    """Alerts that do not run are worse than a fault that is told twice."""
    path = tmp_path / "alerts.db"
    path.write_bytes(b"no database, for certain" * 400)

    book = Book(path)
    book.prepare(["a"])

    assert book.post(LETTER, ["a"], 1.0) == 1
    assert [file.name.partition("-")[0] for file in tmp_path.glob("*.damaged-*")] == [
        "alerts.db.damaged"
    ]


def test_a_page_that_was_damaged_is_noticed_at_the_start(tmp_path: Path, book: Book) -> None:
    """Otherwise each start would end at the first look."""
    path = tmp_path / "alerts.db"
    for _ in range(200):
        book.post(LETTER, ["a"], 1.0)
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"?" * 8192)

    Book(path).prepare(["a"])

    assert len(list(tmp_path.glob("*.damaged-*"))) == 1
    assert book.next_for("a") is None


def test_a_newer_book_is_left_alone(tmp_path: Path, book: Book) -> None:
    """An older version does not write into what a newer one has made."""
    with book._transaction() as db:  # noqa: SLF001 - what a newer version would have done
        db.execute("PRAGMA user_version = 99")

    with pytest.raises(BookIncompatible, match="version 99"):
        Book(tmp_path / "alerts.db").prepare([])
