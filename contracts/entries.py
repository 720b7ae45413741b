"""config/*.yaml as people write it: read by every service's loader, all mistakes noted, none fatal.

PyYAML with three of its surprises removed: a key written twice is a mistake and not a silent
choice, dates stay text (so that a wrong one has a key and a value), and a number is never taken
for a name. Own code instead of a validation library, because the bridge must fit in 100 MiB.
"""

from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml

from contracts.problems import ConfigurationError, Problem

T = TypeVar("T")
_NOTHING = object()


class _Loader(yaml.SafeLoader):
    """YAML without dates, and with an eye on keys that stand there twice."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own class attribute
        first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} stands here twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


class Entry:
    """One mapping of a file. Each question marks its key as known; `close` reports the others.

    A wrong value is noted and answered with the default or something harmless, so that one pass
    finds every mistake; nobody may use the answers while there are problems.
    """

    def __init__(self, file: str, key: str, values: object, problems: list[Problem]) -> None:
        self._file = file
        self._key = key
        self._problems = problems
        self._asked: set[str] = set()
        self._values: dict[object, object] = {}
        if isinstance(values, dict):
            self._values = values
        else:
            reason = "must be a mapping of keys to values"
            problems.append(Problem.of(file, key, values, reason))

    @classmethod
    def read(cls, path: Path) -> tuple[Self, list[Problem]]:
        """Open a YAML file whose top is a mapping, with the list that its problems go to.

        Raises:
            ConfigurationError: the file cannot be read, or is no YAML.
        """
        file = f"{path.absolute().parent.name}/{path.name}"
        problems: list[Problem] = []
        try:
            # A subclass of SafeLoader: nothing in the file becomes an object.
            values = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506
        except OSError as unreadable:
            reason = f"cannot be read: {unreadable.strerror}"
            raise ConfigurationError([Problem(file, "", "", reason)]) from unreadable
        except (yaml.YAMLError, ValueError, RecursionError) as broken:
            reason = f"is not valid YAML: {' '.join(str(broken).split())}"
            raise ConfigurationError([Problem(file, "", "", reason)]) from broken
        return cls(file, "", {} if values is None else values, problems), problems

    def wrong(self, key: str, value: object, reason: str) -> None:
        """Note a mistake at one of this mapping's keys."""
        self._problems.append(Problem.of(self._file, self._path(key), value, reason))

    def text(self, key: str, default: str | None = None, *, may_be_empty: bool = False) -> str:
        """A text; without a default the key must be there."""
        value = self._take(key, default)
        if value is _NOTHING:
            return ""
        if not isinstance(value, str):
            self.wrong(key, value, "must be text: put it in quotes")
            return ""
        if not value.strip() and not may_be_empty:
            self.wrong(key, value, "must not be empty")
        return value

    def parsed(self, key: str, parse: Callable[[str], T], default: str | None = None) -> T | None:
        """A text that `parse` understands; its ValueError is the reason shown."""
        before = len(self._problems)
        value = self.text(key, default)
        if len(self._problems) > before:
            return None
        try:
            return parse(value)
        except ValueError as wrong:
            self.wrong(key, value, str(wrong))
            return None

    def number(self, key: str, default: int | None, least: int, most: int) -> int:
        """A whole number between `least` and `most`."""
        value = self._take(key, default)
        if value is _NOTHING:
            return least
        # In Python, and so in YAML, `yes` is a number.
        if isinstance(value, bool) or not isinstance(value, int):
            self.wrong(key, value, "must be a whole number")
        elif not least <= value <= most:
            self.wrong(key, value, f"must be between {least} and {most}")
        else:
            return value
        return least

    def yes_or_no(self, key: str, *, default: bool) -> bool:
        """`true` or `false`."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            self.wrong(key, value, "must be true or false")
        return value is True

    def texts(self, key: str, default: Sequence[str], allowed: Sequence[str]) -> tuple[str, ...]:
        """A list of different texts out of those allowed, at least one."""
        value = self._take(key, list(default))
        if not isinstance(value, list) or not value:
            self.wrong(key, value, f"must be a list out of {', '.join(allowed)}")
            return ()
        for text in value:
            if text not in allowed:
                self.wrong(key, text, f"must be one of {', '.join(allowed)}")
        if len({str(text) for text in value}) < len(value):
            self.wrong(key, value, "names the same thing twice")
        return tuple(str(text) for text in value)

    def section(self, key: str) -> "Entry":
        """A mapping below this one; absent is the same as empty."""
        value = self._take(key, {})
        return Entry(self._file, self._path(key), {} if value is None else value, self._problems)

    def list(self, key: str) -> "list[Entry]":
        """A list of mappings, at least one."""
        value = self._take(key, None)
        if value is _NOTHING:
            return []
        if not isinstance(value, list) or not value:
            self.wrong(key, value, "must be a list with at least one entry")
            return []
        path = self._path(key)
        return [
            Entry(self._file, f"{path}[{place}]", values, self._problems)
            for place, values in enumerate(value)
        ]

    def has(self, key: str) -> bool:
        """Whether the key is there, with whatever value; it may be absent."""
        self._asked.add(key)
        return key in self._values

    def close(self) -> None:
        """Report every key that nobody asked for: a misspelt key must not be ignored."""
        for key, value in self._values.items():
            if key not in self._asked:
                self.wrong(
                    str(key), value, f"unknown key; known are {', '.join(sorted(self._asked))}"
                )

    def _path(self, key: str) -> str:
        return f"{self._key}.{key}" if self._key else key

    def _take(self, key: str, default: object) -> object:
        self._asked.add(key)
        value = self._values.get(key, default)
        if key in self._values or default is not None:
            return value
        self._problems.append(Problem(self._file, self._path(key), "", "is missing"))
        return _NOTHING
