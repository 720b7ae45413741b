"""Takes over what an older bridge has stored: `python -m bridge.takeover DIRECTORY`.

Run by bridge/takeover/run.sh in a container of its own, as root with two rights: to read files
whoever they belong to, and to hold a lease on them. The kernel grants a lease only while no process
of the machine has the file open for writing, which proves that the old bridge has stopped. After
that the rights are given up for good. Ours must be stopped too: the lock of its session volume
holds it out.

Exit codes: 0 done; 1 refused, nothing was changed; 3 done, but rows were left out and named; 75
the bridge runs; 78 wrong configuration.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from zoneinfo import ZoneInfo

from bridge import session
from bridge.settings import Settings, read_settings
from bridge.store import Store, StoreIncompatible, StoreUnavailable
from bridge.store.takeover import not_here
from bridge.takeover.files import NotTakenOver, become_owner_of, opened
from bridge.takeover.messages import Tally, Target, read_into
from bridge.takeover.rows import Event
from bridge.takeover.session import FILE as SESSION_FILE
from bridge.takeover.session import refuse_unfit, take_session
from contracts.messages import FILE, MessagesUnreadable, messages_file, open_for_reading
from contracts.problems import ConfigurationError
from contracts.redaction import mask_number

LEFT_OUT_EXIT = 3


class _Counting:
    """The store of a dry run: counts what would be new, and is open only while it is asked."""

    def __init__(self, volume: Path) -> None:
        self._file = messages_file(volume)

    def take_over(self, events: Iterable[Event]) -> int:
        """Count."""
        if not self._file.exists():
            return len(list(events))
        db = open_for_reading(self._file)
        try:
            return len(list(not_here(lambda sql, *v: db.execute(sql, v).fetchall(), events)))
        finally:
            db.close()


def take_over(settings: Settings, directory: Path, arguments: argparse.Namespace) -> Tally:
    """Take over the messages and, if asked for, the session; raises what `main` catches."""
    dry_run: bool = arguments.dry_run
    with ExitStack() as open_things:
        messages = open_things.enter_context(opened(directory / FILE, must_be_still=not dry_run))
        paired = None
        if arguments.session:
            if settings.trust_root != "whatsapp":
                raise NotTakenOver("a session of WhatsApp is not for a bridge of the demo")
            paired = open_things.enter_context(
                opened(directory / SESSION_FILE, must_be_still=not dry_run)
            )
        become_owner_of(settings.messages)
        if not dry_run:
            open_things.enter_context(session.held(settings.session, settings.trust_root))
        workplace = Path(
            open_things.enter_context(tempfile.TemporaryDirectory(dir=settings.messages))
        )
        if not messages.still:
            print(f"{FILE} is in use: it is only looked at, and cannot be taken over like this")
        copy = messages.copied_to(workplace)
        copied_session = paired.copied_to(workplace) if paired else None
        if copied_session:
            refuse_unfit(copied_session, settings.session, settings.expected_number)
        target: Target = (
            _Counting(settings.messages)
            if dry_run
            else open_things.enter_context(Store(settings.messages, settings.name))
        )
        zone = ZoneInfo(arguments.zone) if arguments.zone else None
        tally = read_into(copy, target, zone)
        if copied_session and not dry_run:
            take_session(copied_session, settings.session)
        return tally


def main() -> int:
    """Run the verb and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bridge.takeover", description=__doc__)
    parser.add_argument("directory", type=Path, help="where messages.db of the older bridge is")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.add_argument("--session", action="store_true", help="whatsapp.db too")
    parser.add_argument("--zone", help="of times that name none, like Africa/Johannesburg")
    parser.add_argument("--shown-as", help="how the directory is called outside the container")
    arguments = parser.parse_args()
    os.umask(0o077)
    shown = arguments.shown_as or str(arguments.directory)
    try:
        tally = take_over(read_settings(os.environ), arguments.directory, arguments)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 78
    except session.SessionRefusedError as refused:
        print(refused, file=sys.stderr)
        return refused.exit_code
    except (
        *(NotTakenOver, StoreIncompatible, StoreUnavailable, MessagesUnreadable),
        *(OSError, ValueError),
    ) as refused:
        reason = str(refused).replace(str(arguments.directory), shown)
        print(mask_number(f"nothing was taken over: {reason}"), file=sys.stderr)
        return 1
    for line in tally.lines(f"{shown}/{FILE}"):
        print(mask_number(line))
    if arguments.dry_run:
        print("nothing was changed: this was a dry run")
    elif arguments.session:
        print("the session was taken over: never start the old bridge again, or WhatsApp ends both")
    return LEFT_OUT_EXIT if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
