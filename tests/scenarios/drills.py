"""How each fault of bridge/faults.py is done to a bridge, taken away, and held to its row."""

import dataclasses
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.faults import NO_ANSWER, Fault, Lost, Returns
from contracts.bridge_health import BridgeHealth, parse_bridge_health
from contracts.health import Part
from tests.conftest import call, docker, eventually
from tests.scenarios.conftest import BRIDGES, NUMBERS, Field, group_of
from tests.threads import WAITING, call_of, flushes, stopped, threads

PROJECT = "Faults"
TECHNICIAN = "27000000951"
PATIENCE_S = 120.0
"""Added to the seconds of a row: it gives a hang its name and measures nothing."""
AROUND = 30
"""Messages on either side of a fault that may have been on their way."""

HOLD_LOCK = """
import sqlite3, sys
file = sqlite3.connect("/messages/current/messages.db", timeout=60, isolation_level=None)
file.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@dataclass(slots=True)
class Ward:
    """One bridge under drills: where it is, what it says, what it may have lost."""

    field: Field
    bridge: str
    lost: list[tuple[int, int]] = dataclasses.field(default_factory=list)
    """Windows of the ledger in which this bridge may lack messages."""
    _url: str = ""

    @property
    def service(self) -> str:
        """Its service."""
        return BRIDGES[self.bridge]

    def health(self) -> BridgeHealth:
        """What /health says; its port may be another one after a restart."""
        if not self._url:
            self._url = self.field.stack.url(self.service, 8080)
        try:
            told = parse_bridge_health(call(f"{self._url}/health", timeout=3).body)
        except (OSError, ValueError):
            told = None
        if told is None or told.bridge != self.bridge:
            self._url = ""
            raise ConnectionError(f"{self.bridge} does not answer")
        return told

    def part(self, name: str) -> Part:
        """One part of its health."""
        return next(part for part in self.health().verdict.parts if part.name == name)

    def says(self, row: Fault) -> None:
        """Wait for the word of the row."""

        def said() -> bool:
            if row.word != NO_ANSWER:
                return self.part(row.part).word == row.word
            try:
                self.health()
            except OSError:
                return True
            return False

        eventually(f"{self.bridge}, {row.name}: {row.word}", said, row.within_s + PATIENCE_S)

    def well(self, what: str) -> None:
        """Wait until a message sent now would be captured."""
        eventually(f"{self.bridge} is well after {what}", lambda: self.health().verdict.ok, 120)

    def returned(self, row: Fault, began: float) -> None:
        """Wait until it has connected anew since the fault."""

        def anew() -> bool:
            told, now = self.health(), time.monotonic()
            since = told.ears.connected_s
            return told.verdict.ok and since is not None and since < now - began

        within = row.within_s + PATIENCE_S
        eventually(f"{self.bridge} is back after {row.name}", anew, within)

    def hears(self, what: str, **more: object) -> None:
        """A message written now arrives."""
        row = self.field.write(PROJECT, TECHNICIAN, what, **more)
        sql = "SELECT 1 FROM event WHERE id = ?"
        eventually(what, lambda: self.field.stored(self.bridge, sql, row["id"]), PATIENCE_S)

    def container(self) -> str:
        """The id of its container."""
        return self.field.stack.container(self.service)

    def process(self) -> int:
        """The bridge's own process, as this machine numbers it; the first one only starts it."""
        first = docker("inspect", "--format", "{{.State.Pid}}", self.container()).strip()
        (child,) = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        return int(child)

    def logged(self, row: Fault, since: float) -> None:
        """Wait until it has logged what the row says, since a moment (seconds since 1970)."""
        container = self.container()

        def said() -> bool:
            printed = docker("logs", "--since", f"{since:.3f}", container, merge=True)
            return row.logged in printed

        eventually(f"{self.bridge}, {row.name}: {row.logged!r} is logged", said, 60)


def newest(field: Field) -> int:
    """The number of the newest message in the ledger."""
    rows = field.get("/api/ledger?last=1")
    return int(rows[-1]["seq"]) if rows else 0


# --- causes: entered, the fault is there; left, it is over --------------------------------------

Cause = Callable[[Ward], AbstractContextManager[None]]


def _device(fault: str, *, lift: bool = True, **more: object) -> Cause:
    @contextmanager
    def cause(ward: Ward) -> Iterator[None]:
        ward.field.hurt(ward.bridge, fault, **more)
        try:
            yield
        finally:
            if lift:
                ward.field.heal(ward.bridge)

    return cause


def _media(fault: str) -> Cause:
    @contextmanager
    def cause(ward: Ward) -> Iterator[None]:
        ward.field.post("/api/media/faults", fault=fault)
        try:
            ward.hears(f"a photo, {fault}", kind="image")
            yield
        finally:
            url = f"{ward.field.stack.url('simulator', 8090)}/api/media/faults"
            assert call(url, method="DELETE").status == 200

    return cause


@contextmanager
def _locked(ward: Ward) -> Iterator[None]:
    """Another process holds the write lock of messages.db."""
    command = ["docker", "exec", "-i", ward.container(), "python", "-c", HOLD_LOCK]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield
        assert holder.communicate("", timeout=60)[0] == ""


@contextmanager
def _killed(ward: Ward) -> Iterator[None]:
    ward.field.stack.kill_9(ward.service)
    yield


@contextmanager
def _frozen(ward: Ward) -> Iterator[None]:
    process = ward.process()
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


@contextmanager
def _stuck_loop(ward: Ward) -> Iterator[None]:
    """Stop the main thread while it waits for something to do, when it holds nothing."""
    process = ward.process()
    for _ in range(1_000):
        if call_of(process) in WAITING:
            with stopped(process):
                if call_of(process) in WAITING:
                    yield
                    return
        time.sleep(0.01)
    raise AssertionError("the event loop never waits")


def _held_while_it_stores(process: int) -> ExitStack | None:
    """Stop the thread that makes a row durable, if one does so now."""
    for thread in threads(process):
        with suppress(OSError), ExitStack() as held:  # it may end meanwhile
            if flushes(thread, "/messages.db-wal"):
                held.enter_context(stopped(thread))
                if flushes(thread, "/messages.db-wal"):
                    return held.pop_all()
    return None


@contextmanager
def _stuck_store(ward: Ward) -> Iterator[None]:
    process = ward.process()
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if (held := _held_while_it_stores(process)) is not None:
            with held:
                yield
            return
    raise AssertionError("nothing is ever made durable")


CAUSES: dict[str, Cause] = {
    **{name: _device(name, lift=False) for name in ("close", "abort", "split")},
    **{name: _device(name) for name in ("refused", "silent", "duplicate", "replaced", "outdated")},
    "banned": _device("banned", lift=False, seconds=12),
    "deaf": _device("deaf"),
    "deaf_in_a_group": _device("deaf", group=group_of(PROJECT)),
    **{name: _device(name, lift=False) for name in ("logged_out", "logged_out_at_connect")},
    "media_missing": _media("404"),
    "media_slow": _media("slow"),
    "media_truncated": _media("truncated"),
    "store_locked": _locked,
    "killed": _killed,
    "frozen": _frozen,
    "stuck_loop": _stuck_loop,
    "stuck_store": _stuck_store,
}


# --- what a person does ---------------------------------------------------------------------------


def _restart(ward: Ward) -> None:
    ward.field.stack.compose("restart", "--timeout", "30", ward.service)


def _pair(ward: Ward) -> None:
    """Scan the new code; the old session is still there for whoever wants to look at it."""
    kept = docker("exec", ward.container(), "find", "/session/logged-out")
    assert "whatsapp.db" in kept

    def code() -> str:
        url = ward.field.stack.url(ward.service, 8080)
        return str(call(f"{url}/pairing").json.get("qr") or "")

    shown = eventually(f"{ward.bridge} shows a code", code, PATIENCE_S)
    ward.field.post("/api/pair", qr=shown, phone=NUMBERS[ward.bridge])


ACTS = {
    "replaced": _restart,
    "outdated": _restart,
    "logged_out": _pair,
    "logged_out_at_connect": _pair,
}


@contextmanager
def writing(field: Field) -> Iterator[None]:
    """Technicians write five messages a second until the block is left."""
    over = threading.Event()

    def write() -> int:
        written = 0
        while not over.is_set():
            body = {"group": group_of(PROJECT), "sender": TECHNICIAN, "kind": "text"}
            texts = [f"photo {number}" for number in range(written, written + 10)]
            messages = [body | {"text": text} for text in texts]
            field.post("/api/messages/bulk", messages=messages, rate=5)
            written += len(messages)
        return written

    with ThreadPoolExecutor(1) as technicians:
        flow = technicians.submit(write)
        try:
            yield
        finally:
            over.set()
            assert flow.result(600) > 0


def drill(ward: Ward, row: Fault) -> None:
    """Do one fault to the bridge and hold it to its row."""
    ward.well("what was before")
    from_seq, since, began = newest(ward.field), time.time(), time.monotonic()
    with CAUSES[row.name](ward):
        match row.returns:
            case Returns.STAYS:
                ward.hears(f"during {row.name}")
            case Returns.AT_ONCE:
                ward.returned(row, began)
            case Returns.ON_REQUEST:
                ward.says(row)
                ward.logged(row, since)
                assert ward.part(row.part).reason.endswith(f"groups: {PROJECT}")
                assert ward.part("whatsapp").word == "connected"
                assert ward.health().ears.lacks > 0
                assert ward.field.reconnect(ward.bridge).status == 202
                ward.returned(row, began)
            case Returns.BY_ITSELF | Returns.PERSON:
                ward.says(row)
                ward.logged(row, since)
    if row.returns is Returns.PERSON:
        ward.field.write(PROJECT, TECHNICIAN, f"after {row.name}")
        refused = ward.field.reconnect(ward.bridge)
        assert (refused.status, refused.json["reconnecting"]) == (409, False)
        assert ward.part(row.part).word == row.word
        ACTS[row.name](ward)
    ward.well(row.name)
    if row.returns is Returns.STAYS:
        connected_s = ward.health().ears.connected_s
        assert connected_s is not None
        assert connected_s > time.monotonic() - began
    ward.logged(row, since)
    if row.lost is not Lost.NOTHING:
        ward.lost.append((from_seq - AROUND, newest(ward.field) + AROUND))


def lacking(ward: Ward, ledger: list[dict[str, Any]]) -> set[str]:
    """What the bridge's file lacks of the ledger; a text counts only if it is there in full."""
    file = ward.field.texts(ward.bridge, PROJECT)
    return {
        row["id"]
        for row in ledger
        if row["id"] not in file or (row["kind"] == "text" and file[row["id"]] != row["text"])
    }


def excused(ward: Ward, ledger: list[dict[str, Any]]) -> set[str]:
    """What the table allows this bridge to lack."""
    return {
        row["id"] for row in ledger if any(first <= row["seq"] <= last for first, last in ward.lost)
    }


def described(wards: list[Ward], ledger: list[dict[str, Any]]) -> str:
    """What each file lacks, for a test that fails."""
    sent = {row["id"]: (row["seq"], row["text"]) for row in ledger}
    return json.dumps({w.bridge: [sent[i] for i in sorted(lacking(w, ledger))] for w in wards})
