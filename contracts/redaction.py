"""Phone numbers and secrets in what is logged: masked by every service, read by those of logs.

Masked is what can be a phone number: a run of 9 to 15 digits that is a word of its own (also the
user part of a JID), or such a run with blanks and hyphens after a "+". Drops, message ids, group
JIDs, times and ports stay readable, or a log could not be followed. Of secrets, those are masked
that a library may quote in an error: the password in an address, and what follows "Bearer".
"""

import re

_KEPT = 2

_ESCAPE = r"(?<=\\[abfnrtv0])|(?<=\\x[0-9a-f]{2})|(?<=\\u[0-9a-f]{4})|(?<=%[0-9A-Fa-f]{2})"
# `\n27…` in the repr of a text and `%2B27…` in an address begin a word too.

_NUMBER = re.compile(
    rf"""
      (?P<kept>
          [0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}     # a UUID
        | (?<![^\W_]) \d{{10,20}} @g\.us                          # a group
        | : \d\d [.,] \d+                                         # a fraction of a second
        | (?<![^\W_]) 0\. \d+                                     # a fraction of one
        | (?<![^\W_]) 1[5-9]\d{{8}} (?:\d{{3}})? (?![^\W_]|@|:\d)  # seconds or ms since 1970
      )
    | \+ [1-9] (?:[\ \-().\u00a0]{{0,2}} \d){{8,14}} (?!\d)
    | (?: (?<![^\W_]) | {_ESCAPE} ) \d{{9,15}} (?![^\W_])
    """,
    re.VERBOSE,
)


_SECRET = re.compile(r"(://[^\s:/@]*:)[^\s@/]+(?=@)|((?i:bearer)\s+)[\w.~+/=-]{8,}")


def mask_secrets(text: str) -> str:
    """The text without the passwords of addresses and without bearer tokens."""
    return _SECRET.sub(lambda found: f"{found[1] or found[2]}***", text)


def mask_number(text: str) -> str:
    """The text with all but the last two digits of every phone number replaced by `*`."""
    return _NUMBER.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    found = match.group()
    if match["kept"]:
        return found
    digits = sum(character.isdecimal() for character in found)
    masked = []
    for character in found:
        if character.isdecimal():
            masked.append("*" if digits > _KEPT else character)
            digits -= 1
        else:
            masked.append(character)
    return "".join(masked)
