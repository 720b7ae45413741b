"""The bridge leaves before a disk is full, and comes back when there is room to stay."""

from pathlib import Path

from bridge.disk import FLOOR_AT_MOST_BYTES, FLOOR_BYTES, Space, judge_disk, measure

MIB = 1024 * 1024
GIB = 1024 * MIB


def test_the_floor_is_64_mib_or_five_percent_and_never_more_than_2_gib() -> None:
    """A small volume needs room for what is in flight; a big one is not full at five percent."""
    assert Space("a", 0, 100 * MIB).floor == FLOOR_BYTES
    assert Space("a", 0, 20 * GIB).floor == GIB
    assert Space("a", 0, 4000 * GIB).floor == FLOOR_AT_MOST_BYTES


def test_one_full_volume_of_two_is_enough_to_leave() -> None:
    """Session and messages are two volumes: either one being full loses messages."""
    verdict = judge_disk(
        (Space("/session", GIB, GIB), Space("/messages", 63 * MIB, GIB)), was_ok=True
    )
    assert (verdict.ok, verdict.word) == (False, "low")
    assert "/messages" in verdict.reason


def test_the_bridge_returns_only_at_twice_the_floor() -> None:
    """Else it would leave and return with every file that is written."""
    between = (Space("/messages", 100 * MIB, GIB),)
    assert judge_disk(between, was_ok=True).ok
    assert not judge_disk(between, was_ok=False).ok
    assert judge_disk((Space("/messages", 128 * MIB, GIB),), was_ok=False).ok


def test_a_real_volume_is_measured(tmp_path: Path) -> None:
    """What the kernel says of the directory, in bytes an unprivileged process may use."""
    (space,) = measure([tmp_path])
    assert 0 < space.free <= space.size
