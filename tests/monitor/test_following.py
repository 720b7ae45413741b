"""From a messages.db of another process to the rows in Postgres."""

from pathlib import Path

from tests.monitor.conftest import OTHER, Monitoring, ask
from tests.monitor.feeding import feeding

DROPS = "SELECT drop_number FROM public.qa_photo_reviews ORDER BY 1"


async def test_without_any_bridge_it_says_so_and_begins_with_the_file(
    tmp_path: Path, config: Path, database_url: str, monitoring: Monitoring
) -> None:
    """It starts where no bridge has ever run, and reads the file as soon as there is one."""
    volume = tmp_path / "messages"
    volume.mkdir()
    async with monitoring(volume, database_url) as monitor:
        await monitor.until(
            "says that nothing is there", lambda: monitor.part("file").word == "absent"
        )
        await monitor.until("connected", lambda: monitor.part("database").ok)
        assert monitor.part("progress").word == "waiting"
        with feeding(volume, "primary", config) as feeder:
            seq = feeder.message("M1", "DR1234567 done")
            await monitor.until_read(seq)
            await monitor.until_compared()
        assert monitor.status.following.bridge == "primary"
        assert all(monitor.part(name).ok for name in ("file", "database", "progress", "comparison"))
    assert ask(database_url, "SELECT drop_number, project, bridge_source, submitted_by"
                             " FROM public.qa_photo_reviews") == [
        ("DR1234567", "Lawley", "primary", "27820000050")
    ]  # fmt: skip


async def test_edits_deletes_resubmissions_and_other_projects(
    tmp_path: Path, config: Path, database_url: str, monitoring: Monitoring
) -> None:
    """An edited-in drop is a drop, what was deleted is flagged and stays, a later mention is a
    resubmission, and another project's is listed.
    """
    volume = tmp_path / "messages"
    with feeding(volume, "backup", config) as feeder:
        async with monitoring(volume, database_url) as monitor:
            feeder.message("M1", "DR1000001", ago_s=7200)
            feeder.message("M2", "done", ago_s=7100)
            feeder.message("M2e", "DR1000002 done", ago_s=7000, edits="M2")
            feeder.message("M3", "DR1000003", ago_s=6900)
            feeder.message("M3r", "", ago_s=6800, revokes="M3")
            feeder.message("M4", "DR1000001 again", "27820000051", ago_s=3600)
            seq = feeder.message("M5", "DR1000002", chat=OTHER, ago_s=60)
            await monitor.until_read(seq)
    assert ask(
        database_url,
        "SELECT drop_number, resubmitted, submitted_by FROM public.qa_photo_reviews ORDER BY 1",
    ) == [
        ("DR1000001", True, "27820000051"),
        ("DR1000002", False, "27820000050"),
        ("DR1000003", False, "27820000050"),
    ]
    assert ask(database_url, "SELECT drop_number FROM public.drop_mentions WHERE withdrawn") == [
        ("DR1000003",)
    ]
    assert ask(
        database_url,
        "SELECT drop_number, project, reason, review_project FROM public.invalid_drop_submissions",
    ) == [("DR1000002", "Mohadin", "other_project", "Lawley")]


async def test_a_number_that_becomes_known_is_filled_in(
    tmp_path: Path, config: Path, database_url: str, monitoring: Monitoring
) -> None:
    """A LID is nobody's phone; when the bridge learns whose it is, the review has the number."""
    volume = tmp_path / "messages"
    submitted = "SELECT submitted_by FROM public.qa_photo_reviews"
    with feeding(volume, "primary", config) as feeder:
        async with monitoring(volume, database_url) as monitor:
            await monitor.until_read(feeder.message("M1", "DR1234567", "4711000001@lid"))
            assert ask(database_url, submitted) == [(None,)]
            await monitor.until_read(feeder.order("alias", lid="4711000001", pn="27820000052"))
    assert ask(database_url, submitted) == [("27820000052",)]
