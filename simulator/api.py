"""The simulator's HTTP API on port 8090 and the page at `/`; docs/simulator.md has examples.

Every answer is JSON; a request that cannot be carried out is answered with 400 and a sentence
that names what is wrong with it. State-changing requests must come from a page or a program that
calls the simulator by one of its own names, so that no web page elsewhere can drive it.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from simulator.codes import Codes
from simulator.downloads import MediaFault
from simulator.faults import Fault, Faults
from simulator.groups import Groups
from simulator.members import Members
from simulator.node import Jid
from simulator.relay import Relay
from simulator.world import Account, Device, Group, Role, World
from simulator.writing import Draft, Writing

HOSTS = frozenset({"localhost", "127.0.0.1", "simulator", "web.whatsapp.com"})
"""Names in the Host header that may change something."""

PAGE = Path(__file__).parent / "page"
_MAX_BODY = 64 << 20
_LEDGER_LIMIT = 10_000

Json = dict[str, Any]
Route = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control:
    """What the API may do with the world; one method per route."""

    def __init__(
        self, world: World, relay: Relay, groups: Groups, codes: Codes, faults: Faults
    ) -> None:
        self._faults = faults
        self._world = world
        self._relay = relay
        self._groups = groups
        self._codes = codes
        self._writing = Writing(world, relay, Members(world, relay))

    async def state(self, _: web.Request) -> web.Response:
        """GET /api/state: accounts, groups, devices, and the number of messages."""
        return web.json_response(
            {
                "accounts": [self._account(one) for one in self._world.accounts.values()],
                "groups": [self._group(one) for one in self._world.groups.values()],
                "devices": [self._device(one) for one in self._world.devices.values()],
                "unpaired_clients": self._codes.pairing.waiting(),
                "messages": self._relay.ledger.count(),
            }
        )

    async def add_account(self, request: web.Request) -> web.Response:
        """POST /api/accounts {phone, name?, lid?}: a phone; it need not have a client."""
        body = await _body(request)
        phone = _text(body, "phone")
        account = self._world.accounts.get(phone)
        if account is None:
            name = str(body.get("name") or phone)
            account = self._world.add_account(phone, name, body.get("lid"))
            await self._world.database.committed()
        return web.json_response(self._account(account), status=201)

    async def pair(self, request: web.Request) -> web.Response:
        """POST /api/pair {qr or code, phone}: the phone scans, or is typed, what a client shows."""
        body = await _body(request)
        phone = _text(body, "phone")
        if "code" in body:
            device = await self._codes.type(_text(body, "code"), phone)
        else:
            device = await self._codes.pairing.pair(_text(body, "qr"), phone)
        return web.json_response(self._device(device), status=201)

    async def add_group(self, request: web.Request) -> web.Response:
        """POST /api/groups {subject, addressing, hide_numbers?, jid?, creator?}."""
        body = await _body(request)
        addressing = body.get("addressing", "pn")
        if addressing not in {"pn", "lid"}:
            raise ValueError(f"addressing is pn or lid, not {addressing!r}")
        jid = Jid.parse(str(body["jid"])) if body.get("jid") else None
        if jid in self._world.groups:
            return web.json_response(self._group(self._world.groups[jid]), status=200)
        group = await self._groups.create(
            _text(body, "subject"),
            addressing,
            self._creator(body),
            [],
            hide_numbers=bool(body.get("hide_numbers", False)),
            jid=jid,
        )
        return web.json_response(self._group(group), status=201)

    async def add_member(self, request: web.Request) -> web.Response:
        """POST /api/groups/{jid}/members {phone, role?}: role is "", admin or superadmin."""
        body = await _body(request)
        account = self._existing(_text(body, "phone"))
        role = _role(body)
        group = self._group_of(request)
        if account.phone not in group.members:
            group = await self._groups.add(group.jid, account, role)
        elif group.members[account.phone] != role:
            group = await self._groups.set_role(group.jid, account, role)
        return web.json_response(self._group(group), status=201)

    async def remove_member(self, request: web.Request) -> web.Response:
        """DELETE /api/groups/{jid}/members/{phone}."""
        account = self._existing(request.match_info["phone"])
        group = await self._groups.remove(self._group_of(request).jid, account)
        return web.json_response(self._group(group))

    async def write(self, request: web.Request) -> web.Response:
        """POST /api/messages: one message; answers with its ledger row."""
        draft = Draft.read(await _body(request))
        return web.json_response(asdict(await self._writing.write(draft)), status=201)

    async def write_many(self, request: web.Request) -> web.Response:
        """POST /api/messages/bulk {messages, rate?, order?}; answers when all are written.

        `rate` is in messages per second; without it they go as fast as the receivers' window lets
        them. `order` maps a phone to the ids in the order in which its devices get them.
        """
        body = await _body(request)
        drafts = [Draft.read(one) for one in body.get("messages", [])]
        rows = await self._writing.write_many(
            drafts, rate=body.get("rate"), order=body.get("order") or {}
        )
        return web.json_response({"written": len(rows), "rows": [asdict(row) for row in rows]})

    async def release(self, request: web.Request) -> web.Response:
        """POST /api/release {phone}: what was held back from the phone's devices goes to them."""
        phone = _text(await _body(request), "phone")
        return web.json_response({"released": await self._writing.release(phone)})

    async def ledger(self, request: web.Request) -> web.Response:
        """GET /api/ledger?after=SEQ&limit=N, or ?last=N&chat=JID: what was sent, in order."""
        limit = min(int(request.query.get("limit", "1000")), _LEDGER_LIMIT)
        if "last" in request.query:
            newest = min(int(request.query["last"]), _LEDGER_LIMIT)
            rows = self._relay.ledger.last(newest, request.query.get("chat"))
        else:
            rows = self._relay.ledger.after(int(request.query.get("after", "0")), limit)
        return web.json_response([asdict(row) for row in rows])

    async def devices(self, _: web.Request) -> web.Response:
        """GET /api/devices: every paired client, whether it is connected, what it has not got."""
        return web.json_response([self._device(one) for one in self._world.devices.values()])

    async def queue(self, request: web.Request) -> web.Response:
        """GET /api/devices/{jid}/queue: what the device has not receipted, in order."""
        device = self._device_of(request).jid
        waiting = [
            {"id": one.id, "from": one.stanza.text("from"), "tag": one.stanza.tag, "held": one.held}
            for one in self._relay.queues.of(device)
        ]
        return web.json_response(waiting)

    async def faults(self, _: web.Request) -> web.Response:
        """GET /api/faults: everything that can be done to a device, and to downloads."""
        return web.json_response({"device": list(Fault), "media": list(MediaFault)})

    async def break_device(self, request: web.Request) -> web.Response:
        """POST /api/devices/{jid}/faults {fault, seconds?, group?}: do it to this device."""
        body = await _body(request)
        device = self._device_of(request)
        seconds = body.get("seconds")
        group = Jid.parse(str(body["group"])) if body.get("group") else None
        await self._faults.apply(
            device,
            Fault(_text(body, "fault")),
            None if seconds is None else float(seconds),
            group,
        )
        return web.json_response(self._device(device), status=201)

    async def lift(self, request: web.Request) -> web.Response:
        """DELETE /api/devices/{jid}/faults: no fault stands any more; the withheld is sent."""
        device = self._device_of(request)
        await self._faults.lift(device)
        return web.json_response(self._device(device))

    def _device_of(self, request: web.Request) -> Device:
        jid = Jid.parse(request.match_info["jid"])
        if jid not in self._world.devices:
            raise ValueError(f"no such device: {jid}")
        return self._world.devices[jid]

    def _creator(self, body: Json) -> Account:
        """Whoever the request names, else a phone that only owns groups."""
        if body.get("creator"):
            return self._existing(str(body["creator"]))
        owner = "27000000000"
        known = self._world.accounts.get(owner)
        return known or self._world.add_account(owner, "Group owner")

    def _existing(self, phone: str) -> Account:
        account = self._world.accounts.get(phone)
        if account is None:
            raise ValueError(f"no account has the phone {phone}")
        return account

    def _group_of(self, request: web.Request) -> Group:
        jid = Jid.parse(request.match_info["jid"])
        if jid not in self._world.groups:
            raise ValueError(f"no such group: {jid}")
        return self._world.groups[jid]

    def _account(self, account: Account) -> Json:
        paired = len(self._world.devices_of(account))
        return {
            "phone": account.phone,
            "lid": account.lid,
            "name": account.name,
            "devices": paired,
        }

    def _group(self, group: Group) -> Json:
        return {
            "jid": str(group.jid),
            "subject": group.subject,
            "addressing": group.addressing,
            "hide_numbers": group.hide_numbers,
            "members": dict(group.members),
        }

    def _device(self, device: Device) -> Json:
        return {
            "jid": str(device.jid),
            "phone": device.phone,
            "device": device.device,
            "connected": self._faults.connected(device.jid),
            "faults": self._faults.names(device.jid),
            "queued": self._relay.queues.size(device.jid),
        }


def application(
    world: World, relay: Relay, groups: Groups, codes: Codes, faults: Faults
) -> web.Application:
    """The API and the page."""
    control = Control(world, relay, groups, codes, faults)
    app = web.Application(middlewares=[_guard], client_max_size=_MAX_BODY)
    app.add_routes(
        [
            web.get("/", _page),
            web.get("/api/state", control.state),
            web.post("/api/accounts", control.add_account),
            web.post("/api/pair", control.pair),
            web.post("/api/groups", control.add_group),
            web.post("/api/groups/{jid}/members", control.add_member),
            web.delete("/api/groups/{jid}/members/{phone}", control.remove_member),
            web.post("/api/messages", control.write),
            web.post("/api/messages/bulk", control.write_many),
            web.post("/api/release", control.release),
            web.get("/api/ledger", control.ledger),
            web.get("/api/devices", control.devices),
            web.get("/api/devices/{jid}/queue", control.queue),
            web.get("/api/faults", control.faults),
            web.post("/api/devices/{jid}/faults", control.break_device),
            web.delete("/api/devices/{jid}/faults", control.lift),
            web.static("/page", PAGE),
        ]
    )
    return app


@web.middleware
async def _guard(request: web.Request, handler: Route) -> web.StreamResponse:
    """Refuse changes asked for under a foreign name; tell a wrong request what is wrong."""
    if request.method != "GET" and (foreign := _foreign(request)):
        return _refusal(403, foreign)
    try:
        return await handler(request)
    except (ValueError, KeyError, TypeError) as wrong:
        return _refusal(400, str(wrong) or type(wrong).__name__)
    except TimeoutError:
        return _refusal(504, "a client did not take its messages in time")


def _foreign(request: web.Request) -> str:
    """Why the request does not come from this simulator's own page or a program; else empty."""
    host = request.host.rpartition(":")[0] or request.host
    if host not in HOSTS:
        return f"the Host header names {host!r}, not this simulator"
    # A form on any web page may post to localhost; browsers name that page here.
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).hostname not in HOSTS:
        return f"the request comes from a page of {origin}"
    return ""


def _refusal(status: int, sentence: str) -> web.Response:
    return web.json_response({"error": sentence}, status=status)


async def _page(_: web.Request) -> web.StreamResponse:
    content = await asyncio.to_thread((PAGE / "index.html").read_text, "utf-8")
    return web.Response(text=content, content_type="text/html")


async def _body(request: web.Request) -> Json:
    try:
        body = await request.json()
    except json.JSONDecodeError as wrong:
        raise ValueError(f"the body is not JSON: {wrong}") from wrong
    if not isinstance(body, dict):
        raise TypeError("the body is a JSON object")
    return body


def _text(body: Json, key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key!r} is missing")
    return value


def _role(body: Json) -> Role:
    role = body.get("role", "admin" if body.get("admin") else "")
    if role not in {"", "admin", "superadmin"}:
        raise ValueError(f"role is empty, admin or superadmin, not {role!r}")
    return role  # type: ignore[no-any-return]
