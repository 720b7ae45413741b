"""Drop numbers in texts as technicians write them, and in texts and patterns meant to hurt."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contracts.drops import DEFAULT_PATTERN, MAX_SEARCHED, compile_pattern, find_drops

DEFAULT = compile_pattern(DEFAULT_PATTERN)

BOUND_S = 3
"""Generous for a loaded machine: what is guarded against takes minutes."""


@pytest.mark.parametrize(
    "text",
    [
        "DR1234567",
        "dr1234567",
        "Dr 1234567",
        "DR-1234567",
        "DR - 1234567",
        "drop 1234567",
        "DROP1234567",
        "DR\n1234567",
        "DR\t1234567",
        "DR\N{NO-BREAK SPACE}1234567",
        "DR\N{EN DASH}1234567",
        "DR\N{NON-BREAKING HYPHEN}1234567",
        "DR\N{MINUS SIGN}1234567",
        "ＤＲ１２３４５６７",
        "DR\N{ZERO WIDTH SPACE}1234567",
        "\N{LEFT-TO-RIGHT MARK}DR12\N{SOFT HYPHEN}34567",
        "DR١٢٣٤٥٦٧",
        "Install done (DR1234567), photos follow.",
        "_DR1234567_ is done",
        "*DR1234567*",
        "DR1234567\N{SUPERSCRIPT TWO}",
        "photo:DR1234567/house",
    ],
)
def test_ways_to_write_one_drop(text: str) -> None:
    """However a technician writes it, one drop is found, normalised to DR and its digits."""
    assert find_drops(text, DEFAULT) == ("DR1234567",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "good morning",
        "DR",
        "1234567",
        "XDR1234567",
        "5DR1234567",
        "DR12345",
        "DR123456789",
        "DR1234567abc",
        "DR1234567é",
        "ДDR1234567",
        "DRR1234567",
        "DR 12 34 567",
        "DRTEST001",
    ],
)
def test_what_is_no_drop(text: str) -> None:
    """Pieces of longer words and numbers, and numbers of another length, are not drops."""
    assert find_drops(text, DEFAULT) == ()


@pytest.mark.parametrize(("digits", "found"), [(5, 0), (6, 1), (7, 1), (8, 1), (9, 0)])
def test_number_of_digits(digits: int, found: int) -> None:
    """Six to eight digits make a drop, and nothing shorter or longer does."""
    assert len(find_drops("DR" + "7" * digits, DEFAULT)) == found


def test_several_drops() -> None:
    """All drops of a text count, each once, in the order in which they appear."""
    text = "DR2222222, dr-1111111\nDROP 3333333 and again DR 1111111; DR4444444DR5555555"
    expected = ("DR2222222", "DR1111111", "DR3333333", "DR4444444", "DR5555555")

    assert find_drops(text, DEFAULT) == expected


def test_own_pattern() -> None:
    """A project's own pattern decides, and what its group holds is normalised."""
    pattern = compile_pattern(DEFAULT_PATTERN + r"|(DR-?TEST\d{1,6})|site (\d{4})")

    found = find_drops("drtest001 DR-TEST2 DR1234567 site 0815 XDRTEST3", pattern)

    assert found == ("DRTEST001", "DRTEST2", "DR1234567", "DR0815")


def test_drop_too_long_for_the_table() -> None:
    """What would not fit into drop_number varchar(50) is no drop, instead of a row that fails."""
    pattern = compile_pattern(r"DR\d+")

    assert find_drops("DR" + "1" * 48 + " DR" + "1" * 49, pattern) == ("DR" + "1" * 48,)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("(", r"missing \)"),
        (r"DR(?=\d)", "invalid perl operator"),
        (r"(a)\1", "invalid escape sequence"),
        ("a{1001}", "invalid repetition size"),
        ("(a{100}){100}", "invalid repetition size"),
        ("((a{0,10}){0,10}){0,10}", "too large|empty text"),
        (r"(\w{0,30}){30}b|a", "too large"),
        (r"\d*", "empty text"),
        ("", "empty text"),
        ("a" * 501, "at most 500"),
    ],
)
def test_pattern_refused(source: str, reason: str) -> None:
    """A pattern that cannot work, or could take long, is refused with a sentence."""
    with pytest.raises(ValueError, match=reason):
        compile_pattern(source)


@pytest.mark.parametrize(
    "source", [r"(a+)+$", "(x+x+)+y", "a.*b|a", r"(\w?\w*\w?\w*)*b|a", "(?:(?:a?){14}a{14}){10}"]
)
def test_hostile_pattern(source: str) -> None:
    """Patterns that make other engines hang search the longest text in bounded time."""
    pattern = compile_pattern(source)
    started = time.monotonic()

    find_drops("a" * MAX_SEARCHED, pattern)

    assert time.monotonic() - started < BOUND_S


@pytest.mark.parametrize(
    "text",
    [
        "DR" + " " * 60_000,
        "DR" + "\N{NO-BREAK SPACE}" * 60_000,
        "DR " * 20_000,
        "DR-" * 20_000,
        "DR123456 " * 8_000,
        "DR123456" * 9_000,
        "1" * 200_000,
        "".join(map(chr, range(0x80, 0x11000))),
    ],
    ids=lambda text: f"{text[:9]!r}",
)
def test_hostile_text(text: str) -> None:
    """No text makes the search take longer than its length explains."""
    started = time.monotonic()

    find_drops(text, DEFAULT)

    assert time.monotonic() - started < BOUND_S


def test_long_text_is_capped() -> None:
    """A drop at the end of the longest text is found, one beyond it is not looked for."""
    drop = "DR1234567"
    fits = "x " * ((MAX_SEARCHED - len(drop)) // 2) + " " + drop

    assert find_drops(fits, DEFAULT) == (drop,)
    assert find_drops(" " * MAX_SEARCHED + drop, DEFAULT) == ()


drops = st.from_regex(r"DR[0-9]{6,8}", fullmatch=True)
written = drops.flatmap(
    lambda drop: st.sampled_from(
        [drop, drop.lower(), f"DR {drop[2:]}", f"dr-{drop[2:]}", f"Drop {drop[2:]}"]
    ).map(lambda text: (text, drop))
)
between = st.sampled_from([" ", "\n", ", ", " and ", "/", " (photos) ", "\N{EM DASH}", ";", "…"])


@given(st.lists(st.tuples(written, between), max_size=30), st.integers(0, 600))
def test_drops_between_other_words(pieces: list[tuple[tuple[str, str], str]], lead: int) -> None:
    """Whatever stands between drops, and wherever they stand, exactly the drops are found."""
    text = "." * lead + "".join(form + separator for (form, _), separator in pieces)

    assert find_drops(text, DEFAULT) == tuple(dict.fromkeys(drop for (_, drop), _ in pieces))


@given(st.text(st.characters(), max_size=300))
@example("DR\ud8001234567")
@example("\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 100)
def test_any_text(text: str) -> None:
    """Any text at all, broken surrogates too, gives drops in the normal form and no error."""
    for drop in find_drops(text, DEFAULT):
        assert drop.isascii()
        assert drop.startswith("DR")
        assert drop[2:].isdecimal()
        assert 6 <= len(drop[2:]) <= 8


@given(st.text(max_size=60))
def test_any_pattern(source: str) -> None:
    """Whatever somebody writes as a pattern works, or is refused as a ValueError."""
    try:
        pattern = compile_pattern(source)
    except ValueError:
        return
    find_drops("DR1234567 aaaa", pattern)
