"""The words of what is sent; pure. Numbers are masked here, whatever a reason may hold."""

from zoneinfo import ZoneInfo

from alerts.book import Letter
from alerts.calendar import said
from alerts.judgement import Kind, Notice
from contracts.near_misses import NearMissList
from contracts.redaction import mask_number

_LISTED = 40
"""Near misses in one message; some sinks cut a message at 4,000 characters."""


def letter_of(notice: Notice, overall: str, zone: ZoneInfo) -> Letter:
    """The letter that tells a fault, that it is still there, or that it is over."""
    finding = notice.finding
    moment = said(notice.since, zone)
    where = f"{finding.subject} {finding.part}"
    if notice.kind is Kind.RECOVERED:
        title = f"recovered: {where}"
        lines = [f"It was {finding.word} until {moment}."]
    else:
        still = "still: " if notice.kind is Kind.STILL else ""
        title = f"{still}{where}: {finding.word}"
        todo = (
            f"When it was opened: make phone-opened BRIDGE={finding.subject}"
            if finding.part == "phone"
            else "You know of it: make ack"
        )
        lines = [
            f"{_sentence(finding.reason)}",
            f"Since {moment}.",
            f"What to do: docs/operations.md, {finding.word!r}. {todo}",
        ]
    lines.append(f"Overall: {overall}")
    return _letter(notice.kind, title, lines, finding.urgent, finding.subject, finding.part)


def list_letter(day: str, lists: dict[str, NearMissList], zone: ZoneInfo) -> Letter | None:
    """The daily list of texts that nearly name a drop; None when there is none.

    Both bridges list the same message, which is told once.
    """
    places = {
        (one.chat, one.id, one.found): one
        for listed in lists.values()
        for one in listed.near_misses
    }
    if not places:
        return None
    ordered = sorted(places.values(), key=lambda one: (one.project, one.sent_at, one.id, one.found))
    lines = [
        f"{one.project}, {one.sent_at.astimezone(zone):%H:%M}, {one.user_name or 'somebody'}:"
        f" {' '.join(one.excerpt.split())}"
        for one in ordered[:_LISTED]
    ]
    if len(ordered) > _LISTED or any(listed.more for listed in lists.values()):
        lines.append(f"… and more: {len(ordered)} were listed")
    lines.append("None of them became a drop. Ask the sender to post the whole number again.")
    title = f"near misses of {day}: {len(ordered)}"
    return _letter(Kind.LIST, title, lines, urgent=False)


def letter_for_test(now: float, zone: ZoneInfo) -> Letter:
    """What `make alert-test` sends."""
    lines = ["Somebody has asked whether alerts arrive. This one did.", f"{said(now, zone)}."]
    return _letter(Kind.TEST, "test", lines, urgent=False)


def _letter(
    kind: Kind, title: str, lines: list[str], urgent: bool, subject: str = "", part: str = ""
) -> Letter:
    return Letter(kind, mask_number(title), mask_number("\n".join(lines)), urgent, subject, part)


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith(".") else f"{text}."
