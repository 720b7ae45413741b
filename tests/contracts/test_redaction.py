"""Which digits of a log line are masked, and which must stay readable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.redaction import mask_number


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("27820000001", "*********01"),
        ("from 27820000001@s.whatsapp.net", "from *********01@s.whatsapp.net"),
        ("27820000001:12@s.whatsapp.net", "*********01:12@s.whatsapp.net"),
        ("27820000001.0:12", "*********01.0:12"),
        ("100000000000001@lid", "*************01@lid"),
        ("+27820000001", "+*********01"),
        ("call +27 82 000 0001 now", "call +** ** *** **01 now"),
        ("+27 (82) 000-0001", "+** (**) ***-**01"),
        ("0820000001", "********01"),
        (r"'call\n27820000001'", r"'call\n*********01'"),
        (r"'call\xa027820000001'", r"'call\xa0*********01'"),
        (r"'\u200e27820000001'", r"'\u200e*********01'"),
        ("?to=%2B27820000001&x=1", "?to=%2B*********01&x=1"),
        ("KeyError: '27820000001'", "KeyError: '*********01'"),
        ("27820000001,27820000002", "*********01,*********02"),
        ("a 27820000001_1:5 session", "a *********01_1:5 session"),
        ("1600000000@s.whatsapp.net", "********00@s.whatsapp.net"),
    ],
)
def test_masked(text: str, masked: str) -> None:
    """What can be a phone number loses all but its last two digits, wherever it stands."""
    assert mask_number(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "DR1234567 DR12345678",
        "DRTEST000000001",
        "120363418298130331@g.us",
        "message=3EB0123456789ABCDEF012",
        "message=3A123456789012345678",
        "at 2026-11-24T14:43:11.123456789Z",
        "2026-11-24 14:43:11,123",
        "t=1764000000 received_at_ms=1764000000123",
        "0.123456789 s",
        "store 550e8400-e29b-41d4-a716-446655440000",
        "http://127.0.0.1:8080/health 192.168.100.200:55432",
        "12345678",
        "1234567890123456",
    ],
)
def test_readable(text: str) -> None:
    """Drops, ids, groups, times, addresses and ports stay: a log must be possible to follow."""
    assert mask_number(text) == text


@given(
    st.from_regex(r"(27|44|351)[0-9]{9,10}|1[2-9][0-9]{9}|0[1-9][0-9]{8}", fullmatch=True),
    st.text(st.characters(exclude_categories=["L", "N", "Cs"]), max_size=20),
    st.text(st.characters(exclude_categories=["L", "N", "Cs"]), max_size=20),
)
def test_no_number_survives(number: str, before: str, after: str) -> None:
    """Between whatever signs a number stands, it is not readable afterwards."""
    assert number not in mask_number(f"{before} {number} {after}")


@given(st.text())
def test_only_digits_change(text: str) -> None:
    """Masking changes digits to stars and nothing else."""
    masked = mask_number(text)

    assert len(masked) == len(text)
    assert all(a == b or (b == "*" and a.isdecimal()) for a, b in zip(text, masked, strict=True))
