"""What a bridge answers over HTTP."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date

import aiohttp
import pytest

from bridge.api import Pairing, application, served
from bridge.page import Chat, Heard, Line, Page, render
from bridge.pairing_code import CodeAnswer, CodeVerdict
from contracts.bridge_health import BridgeHealth, Ears, parse_bridge_health
from contracts.health import Part, Verdict
from contracts.heard import HeardAnswer, HeardMessage, parse_heard

GOOD = Verdict(True, "ok", (Part("store", True, "ok", "7 messages"),))
BAD = Verdict(False, "down", (Part("whatsapp", False, "disconnected", "connection lost"),))
EARS = Ears(connected_s=12.5, queue_ended=True, live_age_s=None, lacks=2)
TOKEN = "a-token-of-the-tests"
CODE = "https://wa.me/settings/linked_devices#REF,NOISE,IDENTITY,SECRET,6"


NO_CODE = CodeAnswer(None, CodeVerdict(False, "paired"))


@dataclass
class Recorded:
    """A bridge whose answers are set by the test."""

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    ears: Ears = EARS
    reconnects: int = 0
    forbidden: str | None = None
    code: CodeAnswer = NO_CODE

    def live(self) -> Verdict:
        """As set."""
        return self.verdicts.get("live", GOOD)

    def health(self) -> BridgeHealth:
        """As set."""
        return BridgeHealth("primary", self.verdicts.get("health", GOOD), self.ears)

    def publish_health(self) -> Verdict:
        """As set."""
        return self.verdicts.get("publish", GOOD)

    def pairing(self) -> Pairing:
        """A code waits."""
        return Pairing("waiting", CODE)

    def connected(self) -> bool:
        """As health says."""
        return self.health().verdict.ok

    def reconnect(self) -> str | None:
        """Counted, unless it is forbidden."""
        self.reconnects += self.forbidden is None
        return self.forbidden

    async def pairing_code(self) -> CodeAnswer:
        """As set."""
        return self.code

    async def heard(self, after: int) -> HeardAnswer:
        """One message, after whatever was asked."""
        message = HeardMessage("120363000000000001@g.us", "A1", 5, True)
        return HeardAnswer("primary", "s", after + 1, after + 1, ("Lawley",), (message,))

    async def near_misses(self, day: date | None) -> dict[str, object]:
        """None."""
        return {"day": str(day), "near_misses": []}

    async def metrics(self) -> bytes:
        """One figure."""
        return b"twinbridge_connected 1.0\n"

    async def page(self) -> str:
        """The smallest page."""
        return "<p>page</p>"


@dataclass(frozen=True)
class Called:
    """A running API and a client for it."""

    bridge: Recorded
    http: aiohttp.ClientSession
    port: int

    def get(self, path: str, host: str = "127.0.0.1") -> "aiohttp.client._RequestContextManager":
        """GET under a name of one's choice."""
        url = f"http://127.0.0.1:{self.port}{path}"
        return self.http.get(url, headers={"Host": f"{host}:{self.port}"})


@pytest.fixture
async def api() -> AsyncIterator[Called]:
    """The API on a port of its own."""
    bridge = Recorded()
    names = ("localhost", "127.0.0.1", "[::1]", "bridge-primary")
    async with (
        served(application(bridge, names, TOKEN), "127.0.0.1", 0) as port,
        aiohttp.ClientSession() as http,
    ):
        yield Called(bridge, http, port)


@pytest.mark.parametrize(
    ("path", "key"), [("/live", "live"), ("/health", "health"), ("/health/publish", "publish")]
)
async def test_a_verdict_is_told_by_status_and_in_words(api: Called, path: str, key: str) -> None:
    """`curl -f` tells the truth, and the body says why."""
    async with api.get(path) as well:
        assert well.status == 200
        assert (await well.json())["status"] == "ok"
    api.bridge.verdicts[key] = BAD
    async with api.get(path) as ill:
        said = await ill.json()
    assert ill.status == 503
    assert said["parts"][0]["reason"] == "connection lost"


async def test_health_keeps_the_shape_that_is_read_in_the_field(api: Called) -> None:
    """200 {"status":"ok","connected":true,…}."""
    async with api.get("/health") as answer:
        said = await answer.json()
    assert (said["status"], said["connected"]) == ("ok", True)


async def test_the_demo_finds_the_code_under_pairing(api: Called) -> None:
    """State and code as JSON; null when none is needed."""
    async with api.get("/pairing", host="bridge-primary") as answer:
        assert await answer.json() == {"state": "waiting", "qr": CODE, "code": None}


@pytest.mark.parametrize("host", ["evil.example", "bridge-primary.evil.example", ""])
async def test_a_foreign_host_name_gets_nothing(api: Called, host: str) -> None:
    """A page somewhere must not read the pairing code through the operator's browser."""
    async with api.get("/pairing", host=host) as answer:
        assert answer.status == 403
        assert "wa.me" not in await answer.text()


async def test_ipv6_loopback_is_a_known_name(api: Called) -> None:
    """The colon in [::1]:8080 is not the port's."""
    async with api.get("/live", host="[::1]") as answer:
        assert answer.status == 200


async def test_health_says_what_the_bridge_knows_of_its_ears(api: Called) -> None:
    """Whoever compares bridges reads it from the answer, fit or not."""
    api.bridge.verdicts["health"] = BAD
    async with api.get("/health") as answer:
        told = parse_bridge_health(await answer.read())
    assert told == BridgeHealth("primary", BAD, EARS)


async def test_only_a_reconnect_and_a_code_can_be_asked_for_over_http(api: Called) -> None:
    """Everything else only answers, and nobody does so without the token of the stack."""
    async with api.http.post(f"http://127.0.0.1:{api.port}/pairing") as answer:
        assert answer.status == 405
    for path in ("/reconnect", "/pairing/code"):
        async with api.http.post(f"http://127.0.0.1:{api.port}{path}") as answer:
            assert answer.status == 401
    assert api.bridge.reconnects == 0


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (CodeAnswer("ABCD-EFGH", CodeVerdict(True, "")), 201, {"code": "ABCD-EFGH"}),
        (
            CodeAnswer(None, CodeVerdict(False, "too soon", 59.2)),
            429,
            {"code": None, "reason": "too soon", "wait_s": 60},
        ),
        (
            CodeAnswer(None, CodeVerdict(False, "paired")),
            409,
            {"code": None, "reason": "paired", "wait_s": 0},
        ),
    ],
)
async def test_a_code_is_given_or_refused_with_its_wait(
    api: Called, answer: CodeAnswer, status: int, said: dict[str, object]
) -> None:
    """201 with the code, 429 with the seconds to wait, 409 where no code makes sense."""
    api.bridge.code = answer
    url = f"http://127.0.0.1:{api.port}/pairing/code"
    async with api.http.post(url, headers={"Authorization": f"Bearer {TOKEN}"}) as given:
        assert (given.status, await given.json()) == (status, said)
        assert given.headers.get("Retry-After") == ("60" if status == 429 else None)


async def test_a_reconnect_is_promised_or_refused_with_its_reason(api: Called) -> None:
    """202 means that the bridge dials anew; 409 that WhatsApp's state forbids it."""
    url = f"http://127.0.0.1:{api.port}/reconnect"
    shown = {"Authorization": f"Bearer {TOKEN}"}
    async with api.http.post(url, headers=shown) as answer:
        assert (answer.status, await answer.json()) == (202, {"reconnecting": True})
    api.bridge.forbidden = "replaced: another process uses this session"
    async with api.http.post(url, headers=shown) as answer:
        said = await answer.json()
    assert (answer.status, said["reason"]) == (409, api.bridge.forbidden)
    assert api.bridge.reconnects == 1


async def test_the_page_loads_nothing_from_anywhere(api: Called) -> None:
    """No external assets, no scripts, no framing of what it shows."""
    async with api.get("/") as answer:
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert answer.headers["Cache-Control"] == "no-store"


def test_the_page_escapes_what_people_write_and_shows_the_code() -> None:
    """A message is text, whatever it looks like."""
    page = Page(
        title="Bridge 064",
        colour="ok",
        status="captures",
        qr=CODE,
        code="ABCD-EFGH",
        lines=[Line("store", "ok", "ok", "7 messages")],
        chats=[Chat("Lawley", [Heard("10:00", "Ann (…03)", "<script>alert(1)</script>")])],
        now="2026-11-24",
    )
    html = render(page)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "<svg" in html
    assert CODE not in html
    assert "ABCD-EFGH" in html


@pytest.mark.parametrize("shown", ["", "Bearer ", "Bearer wrong", f"Basic {TOKEN}"])
@pytest.mark.parametrize("path", ["/heard?after=7", "/near-misses"])
async def test_nobody_else_gets_what_is_for_the_stack(api: Called, path: str, shown: str) -> None:
    """Identities and texts are for those who hold the stack's token."""
    url = f"http://127.0.0.1:{api.port}{path}"
    async with api.http.get(url, headers={"Authorization": shown}) as answer:
        assert answer.status == 401


async def test_the_stack_gets_what_was_heard(api: Called) -> None:
    """The token opens /heard and /near-misses."""
    url = f"http://127.0.0.1:{api.port}/near-misses"
    async with api.http.get(url, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
        assert await answer.json() == {"day": "None", "near_misses": []}
    day = f"{url}?day=2026-03-31"
    async with api.http.get(day, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
        assert await answer.json() == {"day": "2026-03-31", "near_misses": []}
    day = f"{url}?day=yesterday"
    async with api.http.get(day, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
        assert answer.status == 400
        assert "day='yesterday'" in await answer.text()
    url = f"http://127.0.0.1:{api.port}/heard?after=7"
    async with api.http.get(url, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
        assert answer.status == 200
        assert parse_heard(await answer.read()) == await api.bridge.heard(7)


async def test_heard_refuses_a_cursor_that_is_none(api: Called) -> None:
    """A wrong cursor is named, and never becomes a question to the store."""
    url = f"http://127.0.0.1:{api.port}/heard?after=-1"
    async with api.http.get(url, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
        assert answer.status == 400
        assert "after='-1'" in await answer.text()


async def test_figures_are_served_as_prometheus_asks_for_them(api: Called) -> None:
    """GET /metrics says its text format, and answers the name inside the stack."""
    async with api.get("/metrics", host="bridge-primary") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        assert "twinbridge_connected 1.0" in await answer.text()
