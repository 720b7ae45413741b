"""The wrong account, or one account twice, is refused with a sentence."""

from bridge.account import judge_account
from bridge.signals import Account

ME = Account(pn="27820000001", lid="99000000001")


def test_the_expected_number_is_accepted() -> None:
    """Digits compared as digits."""
    verdict = judge_account("primary", ME, "27820000001", {"backup": "27820000002"})
    assert (verdict.ok, verdict.word) == (True, "expected")


def test_another_number_is_refused_without_showing_either_in_full() -> None:
    """The sentence names what to do; both numbers are masked."""
    verdict = judge_account("primary", ME, "27820000077", {})
    assert (verdict.ok, verdict.word) == (False, "wrong account")
    assert "…01" in verdict.reason
    assert "…77" in verdict.reason
    assert "278200000" not in verdict.reason


def test_the_number_of_the_other_bridge_is_refused_even_if_nothing_is_expected() -> None:
    """One account on two bridges is one witness that looks like two."""
    verdict = judge_account("backup", ME, "", {"primary": "27820000001", "backup": "27820000001"})
    assert (verdict.ok, verdict.word) == (False, "same account")
    assert "primary" in verdict.reason


def test_without_an_expected_number_nobody_checked_and_that_is_said() -> None:
    """An empty setting is no approval."""
    verdict = judge_account("primary", ME, "", {})
    assert (verdict.ok, verdict.word) == (True, "not checked")


def test_a_peer_without_a_number_is_not_the_same_account() -> None:
    """Two unknown numbers are not equal numbers."""
    assert judge_account("primary", Account("", "99"), "", {"backup": ""}).ok
