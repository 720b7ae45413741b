"""The simulator's page in a real Chromium: every button is clicked on, and a real client feels it.

Playwright drives the Chromium of Debian; it never downloads a browser of its own.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from simulator.downloads import MediaFault
from simulator.faults import Fault
from tests.simulator.room import PATIENCE_SECONDS, Client, Room

CHROMIUM = shutil.which("chromium")
GROUP, WRITER = "Nellmapius", "27820000590"
PATIENCE_MS = PATIENCE_SECONDS * 1000

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        CHROMIUM is None, reason="no chromium here; CI=true images/machine.sh browser installs it"
    ),
]


class Desk:
    """The page, the simulator behind it, and clients whose buttons it shows."""

    def __init__(self, room: Room, page: Page) -> None:
        self.room = room
        self.page = page
        self._seats = 0
        room.post("/api/accounts", phone=WRITER, name="Writer")
        self.group = room.group(GROUP, "pn", WRITER)
        page.goto(room.url())
        expect(page.locator("#subject")).to_have_text(GROUP)

    def linked(self, *names: str) -> dict[str, tuple[Client, Locator]]:
        """Clients in the group, each linked on the page by the code it shows; with their cards."""
        clients = {name: self.room.client(name) for name in names}
        found = {}
        for name, client in clients.items():
            self._seats += 1
            phone = f"278200005{self._seats:02d}"
            self.room.post("/api/accounts", phone=phone, name=name)
            self.room.post(f"/api/groups/{quote(self.group)}/members", phone=phone)
            client.wait("qr")
            self.page.locator("#pair-phone").fill(phone)
            self.page.locator("#shown").fill(client.do("pair_phone", phone=phone)["code"])
            self.page.get_by_role("button", name="Link").click()
            client.wait("connected")
            card = self.page.locator(f'[data-phone="{phone}"]')
            expect(card).to_have_class("up")
            found[name] = (client, card)
        return found

    def write(self, text: str) -> None:
        """Write into the group on the page."""
        self.page.get_by_label("Write as").select_option(WRITER)
        self.page.locator("#text").fill(text)
        self.page.get_by_role("button", name="Send").click()
        expect(self.page.locator("#text")).to_have_value("")


@pytest.fixture(scope="module")
def desk(run_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One room and one browser for the file."""
    logs: Path = tmp_path_factory.mktemp("desk")
    expect.set_options(timeout=PATIENCE_MS)
    with (
        Room(f"{run_id}-desk", f"org.twinbridge.test={run_id}", logs) as room,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        yield Desk(room, page)
        browser.close()


def press(card: Locator, fault: str) -> None:
    """Click on a fault's button."""
    card.locator(f'[data-fault="{fault}"]').click()


def lift(card: Locator) -> None:
    """Click on the button that lifts all."""
    card.locator('[data-do="lift"]').click()


def faults(place: Locator) -> set[str]:
    """The faults that have a button there."""
    buttons = place.locator("[data-fault]").all()
    return {str(button.get_attribute("data-fault")) for button in buttons}


def test_what_stands_is_shown_and_can_be_lifted(desk: Desk) -> None:
    """Deaf in a group, silent, duplicate, refused: the button is pressed, the queue shows what
    waits, and lifting brings it to the client, once.
    """
    ((client, card),) = desk.linked("standing").values()
    assert faults(card) == set(Fault)
    card.locator("select").select_option(label=GROUP)
    card.locator("summary").click()
    for fault in ("deaf", "silent"):
        press(card, fault)
        expect(card.locator(f'[data-fault="{fault}"]')).to_have_attribute("aria-pressed", "true")
        expect(card.locator(".state")).to_contain_text(f"connected, {fault}")
        desk.write(f"while {fault}")
        expect(card.locator("summary")).to_have_text("1 undelivered")
        expect(card.locator("details li")).to_have_count(1)
        expect(card.locator("details li")).to_contain_text("message")
        lift(card)
        client.wait("message", text=f"while {fault}")
        expect(card.locator("summary")).to_have_text("0 undelivered")
        expect(card.locator("details li")).to_have_count(0)
    press(card, "duplicate")
    expect(card.locator(".state")).to_contain_text("duplicate")
    desk.write("twice")
    client.wait("message", text="twice")
    lift(card)
    expect(card.locator(".state")).not_to_contain_text("duplicate")
    press(card, "refused")
    expect(card).to_have_class("down")
    lift(card)
    expect(card).to_have_class("up")
    assert client.texts() == ["while deaf", "while silent", "twice"]


def test_what_happens_once_is_survived(desk: Desk) -> None:
    """Closed or cut, the client is back by itself; after a split frame it hears nothing until it
    is closed.
    """
    ((client, card),) = desk.linked("once").values()
    for fault in ("close", "abort"):
        seen = len(client.events)
        press(card, fault)
        client.wait("connected", after=seen)
        expect(card).to_have_class("up")
    press(card, "split")
    desk.write("in two halves")
    expect(card.locator("summary")).to_have_text("1 undelivered")
    press(card, "close")
    client.wait("message", text="in two halves")
    expect(card.locator("summary")).to_have_text("0 undelivered")


def test_what_is_final_ends_the_client(desk: Desk) -> None:
    """Replaced, banned and outdated clients stay away; one that was removed loses its card."""
    told = {
        "replaced": "replaced",
        "banned": "banned",
        "outdated": "outdated",
        "logged_out": "logged_out",
        "logged_out_at_connect": "logged_out",
    }
    for fault, (client, card) in desk.linked(*told).items():
        if fault == "banned":
            card.locator("input").fill("3000")
        press(card, fault)
        event = client.wait(told[fault])
        if told[fault] == "logged_out":
            expect(card).to_have_count(0)
        else:
            expect(card).to_have_class("down")
        if fault == "banned":
            assert 2000 < event["expire"] <= 3000


def test_downloads_and_the_history_go_wrong_and_right(desk: Desk) -> None:
    """Each fault of downloads is felt by the client until it is lifted; the phone tells its
    history at a click.
    """
    ((client, card),) = desk.linked("media").values()
    row = desk.room.post(
        "/api/messages", group=desk.group, sender=WRITER, kind="image", text="DR1234567"
    )
    client.wait("message", id=row["id"], fields=["imageMessage"])
    media = desk.page.locator("#media-faults")
    assert faults(media) == set(MediaFault)
    desk.page.locator("#media-seconds").fill("1")
    desk.page.locator("#media-device").select_option(label="media")
    for fault, refused in (("404", True), ("truncated", True), ("slow", False)):
        press(media, fault)
        expect(media.locator(f'[data-fault="{fault}"]')).to_have_attribute("aria-pressed", "true")
        assert bool(client.do("download", id=row["id"])["refused"]) == refused
    media.locator('[data-do="lift"]').click()
    expect(media.locator('[aria-pressed="true"]')).to_have_count(0)
    card.locator('[data-do="history"]').click()
    told = client.wait("history")
    assert row["id"] in {one["id"] for one in told["conversations"][desk.group]}


def test_what_cannot_be_done_is_said(desk: Desk) -> None:
    """A code that nobody shows is refused with a sentence on the page."""
    desk.page.locator("#pair-phone").fill(WRITER)
    desk.page.locator("#shown").fill("ABCD-EFGH")
    desk.page.get_by_role("button", name="Link").click()
    expect(desk.page.locator("#trouble")).to_contain_text("no client shows a code")
