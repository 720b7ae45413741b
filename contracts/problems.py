"""Mistakes in what people edit: written by every loader, read by the person at start."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

SHOWN = 60
"""Characters of a wrong value that are shown; the rest helps nobody find it."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake: where it is, what is there, and why it cannot stay.

    `value` is what stands there, as text; it is empty where a key is missing and for secrets,
    which are never shown.
    """

    file: str
    key: str
    value: str
    reason: str

    @classmethod
    def of(cls, file: str, key: str, value: object, reason: str) -> Self:
        """A problem that shows `value` shortened and on one line."""
        text = repr(value)
        return cls(file, key, text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…", reason)

    def __str__(self) -> str:
        place = f"{self.file}: {self.key}" if self.key else self.file
        return f"{place} = {self.value}: {self.reason}" if self.value else f"{place}: {self.reason}"


class ConfigurationError(Exception):
    """Everything that is wrong with the settings, all at once; a service ends with exit code 78."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
