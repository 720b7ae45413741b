"""Drop numbers in a text: patterns written by people in projects.yaml, read by bridge and monitor.

Pure. A pattern is a RE2 expression, so the time to search is linear whatever somebody writes, and
a text is folded before it is searched, so that a pattern needs to know only plain letters, digits,
spaces and hyphens.
"""

import unicodedata
from dataclasses import dataclass

import re2

DEFAULT_PATTERN = r"(?:DR|DROP)\s*-?\s*(\d{6,8})"
"""`DR1234567`, `dr 1234567`, `DR-1234567`, `drop 1234567`; 6 to 8 digits."""

MAX_SEARCHED = 65_536
"""Characters of a text that are searched: the most that WhatsApp itself lets people send."""

MAX_DROP = 50
"""Characters of a normalised drop: `drop_number varchar(50)`."""

_MAX_PATTERN = 500
_MAX_PROGRAM = 500
_MAX_MATCHES = 10_000
_WINDOW = 256
# RE2 is linear per search, but "every match in a text" is many searches, each of which may read on
# to the end (`a.*b|a` on 65,536 "a": 4 billion steps). So a search sees two windows of the text at
# most, a pattern's program is small, and their number is bounded. The shortest drop that the
# default pattern finds has 8 characters, so 10,000 is more than a whole text can hold of them.

_FOLDED_KEPT = 4_096


@dataclass(frozen=True, slots=True)
class DropPattern:
    """A compiled pattern; `source` is what the person wrote and what the rules' hash is made of."""

    source: str
    # google-re2 ships no types.
    _expression: "re2._Regexp"


class _Folding(dict[int, str | None]):
    """One character of a text as the patterns see it, worked out when it is first met."""

    def __missing__(self, code: int) -> str | None:
        folded = _fold(chr(code))
        # A text of every code point there is must not make the bridge grow for good.
        if len(self) < _FOLDED_KEPT:
            self[code] = folded
        return folded


def _fold(character: str) -> str | None:
    """Compatibility letters and decimal digits to plain ones, any dash to "-", any space to " ".

    Characters without width (joiners, direction marks, variation selectors) go away. Raised and
    circled digits stay as they are: NFKC would make "DR1234567²" the number of another house.
    """
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if character.isspace():
        return "\n" if character in "\n\r\v\f\x85\u2028\u2029" else " "
    if category == "Pd" or character == "\N{MINUS SIGN}":
        return "-"
    if category in {"Cf", "Mn", "Me"}:
        return None
    if category == "No":
        return character
    if category == "Cs":
        return " "
    return unicodedata.normalize("NFKC", character)


_folding = _Folding()


def folded(text: str) -> str:
    """The text as it is searched: at most `MAX_SEARCHED` characters, only plain forms."""
    text = text[:MAX_SEARCHED]
    return text if text.isascii() else text.translate(_folding)[:MAX_SEARCHED]


def compile_pattern(source: str) -> DropPattern:
    """Compile what somebody wrote as `pattern:`.

    Raises:
        ValueError: with a sentence that says what is wrong with it.
    """
    if len(source) > _MAX_PATTERN:
        raise ValueError(f"a pattern has at most {_MAX_PATTERN} characters")
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        expression = re2.compile(source, options)
    except re2.error as wrong:
        cause = wrong.args[0]
        text = cause.decode(errors="replace") if isinstance(cause, bytes) else str(cause)
        raise ValueError(f"not a RE2 pattern: {text}") from wrong
    if expression.programsize > _MAX_PROGRAM:
        raise ValueError("too large once its repeats are written out: use smaller repeats")
    if expression.search("") is not None:
        raise ValueError("finds the empty text: make at least one character necessary")
    return DropPattern(source, expression)


def find_drops(text: str, pattern: DropPattern) -> tuple[str, ...]:
    """The drops in a text, normalised, each once, in order of appearance.

    What the pattern's first group that took part matched (or the whole, without groups) is a drop:
    upper case, letters and digits only, bare digits with `DR` before them. A match counts only if
    no letter or digit touches it, except another match: `XDR1234567` and `DR123456789` hold no
    drop, `DR1234567DR1234568` holds two, and `_DR1234567_` is one in italics.
    """
    searched = folded(text)
    found: dict[str, None] = {}
    for run in _runs(searched, pattern):
        if not _touched(searched, run[0][0], run[-1][1]):
            found.update((drop, None) for _, _, drop in run if drop)
    return tuple(found)


def _runs(text: str, pattern: DropPattern) -> list[list[tuple[int, int, str]]]:
    """Matches as (start, end, drop), those that touch one another together."""
    runs: list[list[tuple[int, int, str]]] = []
    matches = 0
    start = 0
    while start < len(text) and matches < _MAX_MATCHES:
        next_start = start + _WINDOW
        for match in pattern._expression.finditer(text, start, start + 2 * _WINDOW):  # noqa: SLF001
            if match.start() >= next_start:
                break
            matches += 1
            piece = (match.start(), match.end(), _normalised(match))
            if runs and runs[-1][-1][1] == piece[0]:
                runs[-1].append(piece)
            else:
                runs.append([piece])
        start = max(next_start, runs[-1][-1][1] if runs else 0)
    return runs


def _normalised(match: "re2._Match") -> str:
    taken = next((group for group in match.groups() if group), match.group())
    drop = "".join(character for character in taken.upper() if character.isalnum())
    drop = f"DR{drop}" if drop.isdecimal() else drop
    return drop if len(drop) <= MAX_DROP else ""


def _touched(text: str, start: int, end: int) -> bool:
    """Whether the match is a piece of a longer word or number.

    The underscore is no letter here: it is how people write italics.
    """
    before, after = text[start - 1 : start], text[end : end + 1]
    return any(c.isalpha() or c.isdecimal() for c in (before, after))
