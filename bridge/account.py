"""Is this the number we were given? A pure verdict over what is known of all our numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.signals import Account


@dataclass(frozen=True, slots=True)
class AccountVerdict:
    """Whether the account may be used, with the sentence to show."""

    ok: bool
    word: str
    reason: str


def ending(number: str) -> str:
    """A number as people may see it: its last two digits."""
    return f"…{number[-2:]}" if number else "an unknown number"


def judge_account(
    bridge: str, account: Account | None, expected: str, others: Mapping[str, str]
) -> AccountVerdict:
    """Judge who we are logged in as.

    `expected` are the digits this bridge should have (empty: not checked), `others` the digits of
    the other bridges by name, expected or registered. Two bridges on one account are no second
    witness: what one misses, both miss.
    """
    if account is None:
        return AccountVerdict(True, "unpaired", "no account yet")
    for other, number in others.items():
        if other != bridge and number and number == account.pn:
            reason = (
                f"{ending(account.pn)} is the number of bridge {other}; two bridges on one "
                "account are not two witnesses. Unlink this device on the phone and pair another"
            )
            return AccountVerdict(False, "same account", reason)
    if not expected:
        reason = f"logged in as {ending(account.pn)}; no expected number is set, so nobody checked"
        return AccountVerdict(True, "not checked", reason)
    if account.pn != expected:
        reason = (
            f"logged in as {ending(account.pn)}, expected {ending(expected)}. Unlink this device "
            "on that phone and restart, or correct the expected number in .env"
        )
        return AccountVerdict(False, "wrong account", reason)
    return AccountVerdict(True, "expected", f"logged in as {ending(account.pn)}, as expected")
