"""The bridge as a process: `python -m bridge`.

Exit codes: 0 asked to stop, or unpaired for an hour and to be started afresh; 1 something broke,
with its traceback; 70 the loop or the client was stuck; 75 the session is used by another process;
77 the session belongs to another server; 78 the settings are wrong.
"""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import bridge.lean  # noqa: F401 - first: it decides what of neonize is loaded
from bridge import clientlog, console, interpreter, pairing, session, watchdog
from bridge.api import application, served
from bridge.ask_code import ask_code
from bridge.database import OwnNumber
from bridge.listening import Listening
from bridge.membership import Membership
from bridge.pairing_code import Codes
from bridge.peers import Peers
from bridge.publisher import PublishStatus, publish
from bridge.retention import Keeper
from bridge.settings import Settings, read_settings
from bridge.status import Status
from bridge.store import Store, StoreIncompatible, StoreUnavailable
from contracts import service

log = logging.getLogger("bridge")

INCOMPATIBLE_EXIT = 78
LAST_READING_S = 3.0  # after the client has stopped; what is left is read at the next start


async def main(stop: asyncio.Event) -> None:
    """Run one bridge until `stop` is set."""
    # Before anything opens a file: the client library would make whatsapp.db readable to all.
    os.umask(0o077)
    settings = read_settings(os.environ)
    console.keep_output_ours()
    service.configure_logging(settings.log_level, settings.log_format, settings.log_prefix)
    service.log_to_file(settings.log_dir, settings.log_file)
    async with AsyncExitStack() as open_things:
        try:
            database = open_things.enter_context(
                session.held(settings.session, settings.trust_root)
            )
            store = open_things.enter_context(Store(settings.messages, settings.name))
        except session.SessionRefusedError as refused:
            log.error("not started", extra={"reason": str(refused)})
            raise SystemExit(refused.exit_code) from None
        except StoreIncompatible as refused:
            log.error("not started", extra={"reason": str(refused)})
            raise SystemExit(INCOMPATIBLE_EXIT) from None
        await _Bridge(settings, store).run(database, open_things, stop)


async def _first(stop: asyncio.Event, worn_out: asyncio.Event) -> str:
    """Wait until the bridge is to end; the restart policy starts one that is worn out anew."""
    waiting = {
        asyncio.ensure_future(stop.wait()): "asked to",
        asyncio.ensure_future(worn_out.wait()): "nobody scanned the code; starting afresh",
    }
    try:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()
    return waiting[done.pop()]


class _Bridge:
    """The parts of one bridge and what they say to one another."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._captured = asyncio.Event()
        self._publishable = asyncio.Event()
        self._publishing = PublishStatus()

    async def run(self, database: Path, open_things: AsyncExitStack, stop: asyncio.Event) -> None:
        """Start everything in the order of need, wait, and stop in the reverse order."""
        settings, store = self._settings, self._store
        store.on_captured = self._wake_interpreter
        replayed = await asyncio.to_thread(store.apply_rules, settings.projects)
        self._captured.set()
        listening = Listening(
            settings.name,
            database,
            (settings.session, settings.messages),
            store.capture,
            settings.expected_number,
            self._other_numbers,
        )
        membership = Membership(listening, store, settings.projects)
        peers = Peers(settings.peers, settings.api_token, store)
        codes = Codes(
            settings.session,
            settings.expected_number,
            lambda: listening.state,
            listening.whatsapp.pair_phone,
        )
        keeper = Keeper(
            store,
            settings.retention,
            settings.projects.horizon_days,
            session=settings.session,
            messages=settings.messages,
            logs=settings.log_dir,
        )
        status = Status(
            settings, listening, store, membership, self._publishing, peers, codes, keeper
        )
        losses = clientlog.Losses(store, listening.session_unwritable, listening.out_of_step)
        listening.whatsapp.on_lost = losses.lost
        open_things.enter_context(clientlog.judged(losses.found))
        beat = watchdog.Beat()

        def progress() -> watchdog.Progress:
            state = listening.state
            # A question from before the login may be answered a moment after it.
            settled = state.connected and time.monotonic() - state.since > watchdog.STUCK_S
            return watchdog.Progress(
                beat.age_s, listening.stuck_s, listening.whatsapp.storing_s, dialling=not settled
            )

        def end(reason: str) -> None:
            watchdog.end(reason, listening.whatsapp.leave)

        api = application(status, settings.hosts, settings.api_token)
        await open_things.enter_async_context(served(api, "0.0.0.0", settings.port))  # noqa: S104 - in a container; published on 127.0.0.1
        log.info(
            "bridge started",
            extra={"bridge": settings.name, "page": settings.page, "replayed_groups": replayed},
        )

        def interpreted() -> None:
            self._publishable.set()
            membership.resolve.set()

        def own() -> OwnNumber | None:
            account = listening.state.account
            if account is None or not listening.account.ok:
                return None
            return OwnNumber(settings.name, account.pn or None, account.lid or None)

        def current_code() -> str | None:
            return status.pairing().qr

        def write(text: str) -> None:
            prefix = settings.log_prefix
            print("\n".join(f"{prefix}{line}" for line in text.splitlines()), file=sys.stderr)

        open_things.enter_context(watchdog.watched(progress, end))
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(job, name=name)
                for name, job in {
                    "beat": beat.run(),
                    "listening": listening.run(),
                    "interpreting": interpreter.interpret(store, self._captured, interpreted),
                    "publishing": publish(
                        store,
                        settings.database_url,
                        self._publishable,
                        self._publishing,
                        bridge=settings.name,
                        own=own,
                    ),
                    "losses": losses.run(),
                    "keeping": keeper.keep(),
                    "groups": membership.watch_groups(),
                    "aliases": membership.watch_aliases(),
                    "peers": peers.watch(),
                    "status": status.watch(),
                    "pairing": pairing.show_codes(
                        current_code,
                        settings.predecessors,
                        settings.pairing_turn_s,
                        settings.page,
                        write,
                    ),
                    "own numbers": self._own_numbers(listening),
                }.items()
            ]
            reason = await _first(stop, listening.worn_out)
            log.info("stopping", extra={"bridge": settings.name, "reason": reason})
            for task in running:
                task.cancel()
        await asyncio.to_thread(self._read_the_rest)
        log.info("stopped", extra={"bridge": settings.name})

    def _wake_interpreter(self) -> None:
        """Called in the client's thread after each captured event."""
        self._loop.call_soon_threadsafe(self._captured.set)

    def _other_numbers(self) -> Mapping[str, str]:
        """The numbers of the other bridges: as expected, else as Postgres knows the earlier ones.

        Only the earlier ones, or two bridges on one account would both leave.
        """
        expected = {peer.name: peer.number for peer in self._settings.peers if peer.number}
        earlier = {peer.name for peer in self._settings.predecessors}
        registered = {
            number.name: number.pn
            for number in self._publishing.own_numbers
            if number.pn and number.name in earlier
        }
        return registered | expected

    async def _own_numbers(self, listening: Listening) -> None:
        """Tell the store and the publisher who we are, as soon as that is known or changes."""
        known: object = None
        while True:
            account = listening.state.account
            if account != known and account is not None and listening.account.ok:
                digits = [digit for digit in (account.pn, account.lid) if digit]
                with suppress(StoreUnavailable):
                    await asyncio.to_thread(self._store.set_own_numbers, digits)
                    known = account
                self._publishable.set()
                self._captured.set()
            await asyncio.sleep(0.5)

    def _read_the_rest(self) -> None:
        """Read what was stored last, within reason: the next start reads what is left."""
        deadline = time.monotonic() + LAST_READING_S
        with suppress(StoreUnavailable):
            while time.monotonic() < deadline and self._store.interpret_pending():
                pass


if __name__ == "__main__":
    if sys.argv[1:] == ["pairing-code"]:
        sys.exit(ask_code(read_settings(os.environ)))
    service.run(main)
