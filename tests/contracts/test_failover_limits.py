"""The numbers of the failover, as people write them."""

from contracts.entries import Entry
from contracts.failover_limits import read_failover
from contracts.problems import Problem


def read(**values: object) -> list[str]:
    """The keys that are wrong."""
    problems: list[Problem] = []
    read_failover(Entry("stack.yaml", "failover", values, problems))
    return [problem.key for problem in problems]


def test_without_a_section_there_are_defaults() -> None:
    """A stack.yaml of an earlier version is as good as one with the numbers."""
    problems: list[Problem] = []
    limits = read_failover(Entry("stack.yaml", "failover", {}, problems))
    assert not problems
    assert (limits.gone_s, limits.hang_s, limits.hold_s, limits.failback) == (5, 8, 300, "auto")


def test_numbers_that_contradict_one_another_are_named() -> None:
    """A hang must take longer than a crash, and a hold must be able to grow."""
    assert read(gone_s=20, hang_s=10) == ["failover.hang_s"]
    assert read(hold_s=600, hold_at_most_s=300) == ["failover.hold_at_most_s"]


def test_a_word_or_a_key_that_nobody_knows_is_named() -> None:
    """A typing error is never silently the default."""
    assert read(failback="never") == ["failover.failback"]
    assert read(hold_min=5) == ["failover.hold_min"]
