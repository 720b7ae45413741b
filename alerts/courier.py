"""The child that brings one letter to one sink through Apprise, and ends.

A process of its own, so that neither the memory of Apprise and its plugins nor a crash of one of
them stays with who watches. The letter comes on standard input, because arguments are visible to
all; what went wrong leaves on standard output, without anything that stands in the address.
"""

import json
import logging
import re
import sys
from urllib.parse import unquote

DELIVERED = 0
NOT_DELIVERED = 3
NO_ADDRESS = 4
_SHORTEST_SECRET = 3
_BETWEEN = re.compile(r"[:/?#\[\]@&=,;\s]+")


class _Said(logging.Handler):
    """Keeps what Apprise says; nothing of it reaches a stream by itself."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def without_secrets(line: str, url: str) -> str:
    """The line with every piece of the address replaced, as it stands there and decoded."""
    address = url.partition("://")[2]
    pieces = {piece for text in (address, unquote(address)) for piece in _BETWEEN.split(text)}
    pieces |= {unquote(piece) for piece in pieces}
    for piece in sorted(pieces - {""}, key=len, reverse=True):
        if len(piece) >= _SHORTEST_SECRET:
            line = re.sub(re.escape(piece), "…", line, flags=re.IGNORECASE)
    return " ".join(line.split())


def bring(url: str, title: str, body: str, kind: str) -> tuple[int, str]:
    """Bring one letter; an exit code, and why it is not there."""
    # Here and not above: whoever only asks for without_secrets does not pay for it.
    from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType  # noqa: PLC0415

    said = _Said()
    logger = logging.getLogger("apprise")
    logger.addHandler(said)
    logger.propagate = False
    there = False
    sinks = Apprise(asset=AppriseAsset(app_id="Twinbridge", app_desc="Twinbridge", app_url=""))
    if not sinks.add(url):
        return NO_ADDRESS, "Apprise knows no sink for this address: look at its kind and its parts"
    try:
        there = bool(
            sinks.notify(
                body=body,
                title=title,
                notify_type=NotifyType(kind),
                body_format=NotifyFormat.TEXT,
            )
        )
    except Exception as broken:  # noqa: BLE001 - a plugin's bug is one more reason why it is not there
        said.lines.append(f"{type(broken).__name__}: {broken}")
    if there:
        return DELIVERED, ""
    reason = without_secrets("; ".join(said.lines), url)
    return NOT_DELIVERED, reason[:300] or "Apprise gives no reason"


def main() -> int:
    """Read a letter, bring it, and say why it is not there."""
    letter = json.load(sys.stdin)
    code, reason = bring(letter["url"], letter["title"], letter["body"], letter["kind"])
    sys.stdout.write(reason)
    return code


if __name__ == "__main__":
    sys.exit(main())
