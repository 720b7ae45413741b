"""What is applied beside the file, around what is refused, and without Postgres for a while."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.bridge.road import Road
from tests.monitor.conftest import GROUP, Monitoring, ask
from tests.monitor.feeding import feeding

DROPS = "SELECT drop_number FROM public.qa_photo_reviews ORDER BY 1"
WAITING = """
INSERT INTO public.drop_mentions (
    drop_number, chat, message_id, project, sent_at, as_of, as_of_id, heard_first, heard_by,
    held_back
) VALUES (%s, %s, %s, %s, %s, %s, '', 'backup', '{backup}', %s)
"""


async def test_mentions_that_nobody_applied_are_applied(
    tmp_path: Path, database_url: str, monitoring: Monitoring
) -> None:
    """Whoever recorded them, whatever file is read: what may be acted upon becomes a review, and
    what is older than the horizon waits on.
    """
    now = datetime.now(UTC)
    for drop, project, sent_at, held in (
        ("DR1000001", "Lawley", now - timedelta(hours=1), False),
        ("DR1000002", "Lawley", now - timedelta(days=2), True),
        ("DR1000003", "Lawley", now - timedelta(days=40), True),
        ("DR1000004", "Elsewhere", now, False),
    ):
        ask(database_url, WAITING, drop, GROUP, drop, project, sent_at, sent_at, held)
    async with monitoring(tmp_path / "nothing", database_url) as monitor:
        await monitor.until("applied", lambda: len(ask(database_url, DROPS)) == 2)
        await monitor.until("no file", lambda: monitor.part("file").word == "absent")
    assert ask(database_url, DROPS) == [("DR1000001",), ("DR1000002",)]
    waiting = "SELECT drop_number FROM public.drop_mentions WHERE applied_at IS NULL ORDER BY 1"
    assert ask(database_url, waiting) == [("DR1000003",), ("DR1000004",)]


async def test_old_messages_of_the_file_are_recorded_and_wait(
    tmp_path: Path, config: Path, database_url: str, monitoring: Monitoring
) -> None:
    """A message from before the horizon is listed as held back, and makes no review."""
    volume = tmp_path / "messages"
    with feeding(volume, "primary", config) as feeder:
        feeder.message("M1", "DR1000001", ago_s=40 * 86_400)
        seq = feeder.message("M2", "DR1000002")
    async with monitoring(volume, database_url) as monitor:
        await monitor.until_read(seq)
        await monitor.until_compared()
        assert monitor.status.lacked == 0
    assert ask(database_url, DROPS) == [("DR1000002",)]
    held = "SELECT drop_number FROM public.drop_mentions WHERE held_back"
    assert ask(database_url, held) == [("DR1000001",)]


async def test_a_refused_mention_does_not_stop_the_others(
    tmp_path: Path, config: Path, database_url: str, monitoring: Monitoring
) -> None:
    """One faulty mention in a batch is found and told; the cursor goes on, and it is tried again
    with the comparison.
    """
    refuse = "ALTER TABLE public.drop_mentions ADD CONSTRAINT no CHECK (drop_number <> 'DR1000007')"
    ask(database_url, refuse)
    volume = tmp_path / "messages"
    with feeding(volume, "primary", config) as feeder:
        seqs = [feeder.message(f"M{n}", f"DR{1_000_000 + n}") for n in range(20)]
        async with monitoring(volume, database_url) as monitor:
            await monitor.until_read(seqs[-1])
            assert len(ask(database_url, DROPS)) == 19
            await monitor.until_compared()
            assert monitor.part("mentions").word == "refused"
            assert monitor.status.lacked == 0, "it is refused, not forgotten"
    ask(database_url, "ALTER TABLE public.drop_mentions DROP CONSTRAINT no")
    ask(database_url, "UPDATE public.monitor_stores SET compared_at = NULL")
    async with monitoring(volume, database_url) as monitor:
        await monitor.until("applied", lambda: len(ask(database_url, DROPS)) == 20)
        assert monitor.part("mentions").ok


async def test_postgres_away_is_a_backlog_and_no_loss(
    tmp_path: Path, config: Path, database_url: str, monitoring: Monitoring
) -> None:
    """While Postgres cannot be reached, health says so and whose file would be read; afterwards all
    of it is applied.
    """
    volume = tmp_path / "messages"
    road = Road(database_url)
    await road.reopen()
    try:
        with feeding(volume, "primary", config) as feeder:
            async with monitoring(volume, road.url) as monitor:
                await monitor.until_read(feeder.message("M1", "DR1000001"))
                await road.close()
                seq = feeder.message("M2", "DR1000002")
                await monitor.until("told", lambda: monitor.part("database").word == "unreachable")
                await monitor.until("seen", lambda: (monitor.status.following.seq or 0) >= seq)
                assert monitor.part("file").ok
                await road.reopen()
                await monitor.until_read(seq)
                assert monitor.part("database").ok
    finally:
        await road.close()
    assert ask(database_url, DROPS) == [("DR1000001",), ("DR1000002",)]
