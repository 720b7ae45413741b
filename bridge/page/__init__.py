"""The page of one bridge: its state, the QR while one is needed, what was heard last."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from bridge.console import qr_as_svg

_PAGE = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
_TEXT_AT_MOST = 400  # characters of a message; the page shows that something was heard


@dataclass(frozen=True, slots=True)
class Line:
    """One part of the health: `colour` is ok, warn or bad."""

    name: str
    colour: str
    word: str
    reason: str


@dataclass(frozen=True, slots=True)
class Heard:
    """One message as the page shows it; the author's number is masked already."""

    at: str
    author: str
    text: str


@dataclass(frozen=True, slots=True)
class Chat:
    """The last messages of one group, newest first."""

    title: str
    heard: Sequence[Heard]


@dataclass(frozen=True, slots=True)
class Page:
    """Everything the page shows, as text."""

    title: str
    colour: str
    status: str
    qr: str | None
    code: str | None
    lines: Sequence[Line]
    chats: Sequence[Chat]
    now: str


def render(page: Page) -> str:
    """Give the page as HTML; every text is escaped here and nowhere else."""
    return _PAGE.substitute(
        title=html.escape(page.title),
        colour=html.escape(page.colour),
        status=html.escape(page.status),
        pairing=_pairing(page.qr, page.code),
        parts="".join(map(_line, page.lines)),
        messages="".join(map(_chat, page.chats)),
        now=html.escape(page.now),
    )


def _pairing(qr: str | None, code: str | None) -> str:
    if qr is None:
        return ""
    typed = (
        f'<p>Or link with the phone number: <span class="word">{html.escape(code)}</span></p>'
        if code
        else ""
    )
    return (
        '<div class="qr"><p>On the phone: WhatsApp, Settings, Linked devices, Link a device.</p>'
        f"{typed}{qr_as_svg(qr)}</div>"
    )


def _cells(cells: Iterable[tuple[str, str]]) -> str:
    row = "".join(
        f'<td class="{html.escape(kind)}">{html.escape(text)}</td>' for kind, text in cells
    )
    return f"<tr>{row}</tr>"


def _line(line: Line) -> str:
    return _cells((("", line.name), (f"word {line.colour}", line.word), ("", line.reason)))


def _chat(chat: Chat) -> str:
    rows = "".join(
        _cells((("time", one.at), ("", one.author), ("text", one.text[:_TEXT_AT_MOST])))
        for one in chat.heard
    )
    return f"<h2>{html.escape(chat.title)}</h2><table>{rows}</table>"
