"""The process's output: log lines and the pairing QR, and nothing the client library prints.

Go writes `Login event: …` to file descriptor 1 and `Press Ctrl+C to exit` to 2 by itself. Python's
streams are moved to copies of both; 1 is closed off for good; 2, which a Go panic needs, only while
the client starts listening, which is when that line is printed.
"""

import os
import sys

import segno

_STDERR = 2


def keep_output_ours() -> None:
    """Move Python's streams to copies of the descriptors, and silence descriptor 1.

    To be called once, before logging is configured.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    sys.stdout = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8", errors="replace")
    sys.stderr = os.fdopen(os.dup(_STDERR), "w", buffering=1, encoding="utf-8", errors="replace")
    _point_to_nowhere(1)


def _point_to_nowhere(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


class StandardError:
    """Descriptor 2 of the process, closed off between `mute` and `unmute`; both idempotent."""

    def __init__(self) -> None:
        self._real: int | None = None

    def mute(self) -> None:
        """Let what Go prints go nowhere; Python's own streams are copies and unaffected."""
        if self._real is None:
            self._real = os.dup(_STDERR)
            _point_to_nowhere(_STDERR)

    def unmute(self) -> None:
        """Give Go its standard error back."""
        if self._real is not None:
            real, self._real = self._real, None
            os.dup2(real, _STDERR)
            os.close(real)


_HALF_BLOCKS = {(True, True): " ", (True, False): "▄", (False, True): "▀", (False, False): "█"}


def qr_for_terminal(code: str) -> str:
    """The code in half blocks, light modules drawn in the foreground colour of a dark terminal."""
    symbol = segno.make_qr(code, error="l")
    rows = [[bool(module) for module in row] for row in symbol.matrix_iter(border=2)]
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    return "\n".join(
        "".join(_HALF_BLOCKS[pair] for pair in zip(upper, lower, strict=True))
        for upper, lower in zip(rows[::2], rows[1::2], strict=True)
    )


def qr_as_svg(code: str) -> str:
    """The code as an SVG element for the page; dark on white whatever the page's colours."""
    symbol = segno.make_qr(code, error="l")
    return str(symbol.svg_inline(scale=5, border=4, dark="#000", light="#fff", omitsize=False))
