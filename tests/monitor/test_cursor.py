"""Where a monitor goes on: after a restart, with other rules, in another file, after a rollback."""

import shutil
from dataclasses import replace
from pathlib import Path

from contracts.messages import DIRECTORY, FILE
from tests.monitor.conftest import GROUP, QUICK, Monitoring, ask, write_projects
from tests.monitor.feeding import feeding

DROPS = "SELECT drop_number FROM public.qa_photo_reviews ORDER BY 1"
CURSOR = "SELECT DISTINCT change_seq FROM public.monitor_cursors WHERE environment = 'prod'"
FORGET = "DELETE FROM public.qa_photo_reviews; DELETE FROM public.drop_mentions"


async def test_a_restart_goes_on_where_the_last_one_was(
    tmp_path: Path, config: Path, database_url: str, monitoring: Monitoring
) -> None:
    """The cursor is in Postgres: a monitor that is started again reads what came meanwhile, and
    nothing twice.
    """
    volume = tmp_path / "messages"
    with feeding(volume, "primary", config) as feeder:
        first = feeder.message("M1", "DR1000001")
        async with monitoring(volume, database_url) as monitor:
            await monitor.until_read(first)
            await monitor.until("kept", lambda: ask(database_url, CURSOR) == [(first,)])
        ask(database_url, FORGET)
        second = feeder.message("M2", "DR1000002")
        async with monitoring(volume, database_url) as monitor:
            await monitor.until("kept", lambda: ask(database_url, CURSOR) == [(second,)])
    assert ask(database_url, DROPS) == [("DR1000002",)], "the first one was read before"


async def test_other_rules_read_the_group_from_the_beginning(
    tmp_path: Path, config: Path, database_url: str, monitoring: Monitoring
) -> None:
    """A changed pattern has no cursor yet, so everything in the file counts again for its group."""
    volume = tmp_path / "messages"
    with feeding(volume, "primary", config) as feeder:
        seq = feeder.message("M1", "DR1000001")
        async with monitoring(volume, database_url) as monitor:
            await monitor.until("kept", lambda: ask(database_url, CURSOR) == [(seq,)])
    ask(database_url, FORGET)
    write_projects(config, pattern="DR(\\d{7})")
    async with monitoring(volume, database_url) as monitor:
        await monitor.until("read again", lambda: ask(database_url, DROPS))
    assert ask(database_url, DROPS) == [("DR1000001",)]


def test_a_cursor_only_moves_forward(database_url: str) -> None:
    """A monitor that was frozen and thawed cannot move the cursor of its successor back."""
    advance = "SELECT public.advance_cursors('prod', 's', %s, %s, %s)"
    for seq in (7, 5, 6):
        ask(database_url, advance, [GROUP, "other@g.us"], ["r", "r"], seq)
    ask(database_url, advance, [GROUP], ["r"], 8)
    assert ask(
        database_url, "SELECT chat, change_seq FROM public.monitor_cursors ORDER BY change_seq"
    ) == [("other@g.us", 7), (GROUP, 8)]


async def test_another_file_is_read_from_its_own_cursor(
    tmp_path: Path, config: Path, database_url: str, monitoring: Monitoring
) -> None:
    """The file is set aside under a connected monitor and another bridge's put in its place: all of
    that is read, and back with the first one only what is new in it.
    """
    volume, other = tmp_path / "messages", tmp_path / "other"
    with feeding(volume, "primary", config) as feeder:
        feeder.message("M1", "DR1000001")
        first = feeder.message("M2", "DR1000002")
    with feeding(other, "backup", config) as feeder:
        feeder.message("M2", "DR1000002")
        second = feeder.message("M3", "DR1000003")
    async with monitoring(volume, database_url) as monitor:
        await monitor.until_read(first)
        (volume / DIRECTORY).rename(volume / "aside")
        await monitor.until("missed", lambda: monitor.part("file").word == "absent")
        (other / DIRECTORY).rename(volume / DIRECTORY)
        await monitor.until("taken up", lambda: monitor.status.following.bridge == "backup")
        await monitor.until_read(second)
        await monitor.until_compared()
        assert monitor.status.lacked == 0
        (volume / DIRECTORY).rename(volume / "aside-too")
        (volume / "aside").rename(volume / DIRECTORY)
        await monitor.until("taken up", lambda: monitor.status.following.bridge == "primary")
        await monitor.until_compared()
        assert monitor.status.lacked == 0
    assert ask(database_url, DROPS) == [("DR1000001",), ("DR1000002",), ("DR1000003",)]
    heard = "SELECT message_id, heard_first FROM public.drop_mentions ORDER BY 1"
    assert ask(database_url, heard) == [("M1", "primary"), ("M2", "primary"), ("M3", "backup")]


async def test_what_the_ledger_lacks_is_found_after_a_change_of_files(
    tmp_path: Path, config: Path, database_url: str, monitoring: Monitoring
) -> None:
    """A mention that was read and is gone from the ledger comes back, and health says that there is
    something to find out.
    """
    volume, other = tmp_path / "messages", tmp_path / "other"
    with feeding(volume, "primary", config) as feeder:
        feeder.message("M1", "DR1000001")
        seq = feeder.message("M2", "DR1000002")
    with feeding(other, "backup", config):
        pass
    async with monitoring(volume, database_url) as monitor:
        await monitor.until("kept", lambda: ask(database_url, CURSOR) == [(seq,)])
        await monitor.until_compared()
        assert monitor.part("comparison").word == "complete"
    ask(database_url, "DELETE FROM public.qa_photo_reviews WHERE drop_number = 'DR1000001'")
    ask(database_url, "DELETE FROM public.drop_mentions WHERE drop_number = 'DR1000001'")
    async with monitoring(other, database_url) as monitor:
        await monitor.until_compared()
    patient = replace(QUICK, compare_again_s=5)
    async with monitoring(volume, database_url, pace=patient) as monitor:
        await monitor.until("found", lambda: monitor.status.lacked)
        assert monitor.status.lacked == 1
        assert monitor.part("comparison").word == "lacking"
        assert ask(database_url, DROPS) == [("DR1000001",), ("DR1000002",)]
        await monitor.until("compared again", lambda: monitor.part("comparison").ok)


async def test_a_file_that_was_rolled_back_is_read_from_the_beginning(
    tmp_path: Path, config: Path, database_url: str, monitoring: Monitoring
) -> None:
    """An older copy under the same id has less than the cursor says: everything counts anew, and
    also what then comes under numbers that had been read before.
    """
    volume = tmp_path / "messages"
    with feeding(volume, "primary", config) as feeder:
        feeder.message("M1", "DR1000001")
    shutil.copytree(volume / DIRECTORY, tmp_path / "older")
    with feeding(volume, "primary", config) as feeder:
        seq = feeder.message("M2", "DR1000002")
    async with monitoring(volume, database_url) as monitor:
        await monitor.until("kept", lambda: ask(database_url, CURSOR) == [(seq,)])
    ask(database_url, FORGET)
    ask(database_url, "UPDATE public.monitor_stores SET compared_at = NULL")
    for name in (FILE, f"{FILE}-wal", f"{FILE}-shm"):
        (volume / DIRECTORY / name).write_bytes((tmp_path / "older" / name).read_bytes())
    async with monitoring(volume, database_url) as monitor:
        await monitor.until("read again", lambda: ask(database_url, DROPS))
        cursors = "SELECT max(change_seq) FROM public.monitor_cursors"
        await monitor.until("moved", lambda: (ask(database_url, cursors)[0][0] or seq) < seq)
    assert ask(database_url, DROPS) == [("DR1000001",)]
