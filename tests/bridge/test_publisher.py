"""What the publisher does while Postgres is there and well."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from bridge.database import OwnNumber
from bridge.publisher import Pace
from tests.bridge.publishing import QUICK, Memory, drops, mention, publishing, read


async def test_what_is_heard_is_published_without_waiting(database_url: str) -> None:
    """The wake-up alone brings a mention to Postgres, under the name of the bridge."""
    patient = Pace(look_around_s=3600)
    async with publishing(Memory(), database_url, "backup", pace=patient) as running:
        await running.until("current")
        await running.hear(mention(1))
        await running.settled()
        assert await read(
            database_url, "SELECT drop_number, bridge_source, user_name FROM qa_photo_reviews"
        ) == [("DR1000001", "backup", "Thandi")]


async def test_status_names_host_and_database_and_never_the_password(database_url: str) -> None:
    """Health can say where rows go; the password stands in no field of it."""
    parts = urlsplit(database_url)
    secret = parts._replace(
        netloc=f"{parts.username}:{parts.password or 's3cret-word'}@{parts.hostname}:{parts.port}"
    )
    async with publishing(Memory(), secret.geturl()) as running:
        await running.until("current")
        assert running.status.host == f"{parts.hostname}:{parts.port}"
        assert running.status.database == parts.path[1:]
        assert (parts.password or "s3cret-word") not in repr(running.status)


async def test_a_day_of_backlog_is_published_in_sorted_batches(database_url: str) -> None:
    """More than one batch, in any order, all arrives; each mention is recorded once."""
    backlog = [mention(number * 7919 % 1201) for number in range(1201)]
    async with publishing(Memory(backlog), database_url) as running:
        await running.settled()
        assert len(await drops(database_url)) == 1201
        assert (running.status.new, running.status.known) == (1201, 0)


async def test_a_faulty_row_is_parked_and_the_rest_goes_on(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One NUL in one of 60 mentions: 59 reviews, one parked with its error, loudly, yellow."""
    outbox = Memory([mention(n) for n in range(60)])
    outbox.mentions[41] = replace(outbox.mentions[41], message_id="M\x00")
    async with publishing(outbox, database_url) as running:
        await running.settled()
        await running.until("parked")
        assert running.status.ok
        assert running.status.parked == 1
        assert len(await drops(database_url)) == 59
        (errors,) = [e for e in outbox.parked.values() if e]
        assert list(errors) == [41]
        assert "22P05" in errors[41]
        assert [r.levelname for r in caplog.records if r.message == "mention parked"] == ["ERROR"]


async def test_a_long_push_name_is_cut_not_refused(database_url: str) -> None:
    """A name of 101 characters is display only: the drop is reviewed, the name is cut at 100."""
    async with publishing(Memory([mention(1, user_name="x" * 101)]), database_url) as running:
        await running.settled()
        assert await read(database_url, "SELECT user_name FROM qa_photo_reviews") == [("x" * 100,)]


async def test_half_a_character_is_a_faulty_row(database_url: str) -> None:
    """A lone surrogate, which no database takes, parks its own mention only."""
    outbox = Memory([mention(1), mention(2, message_id="M\ud83d"), mention(3)])
    async with publishing(outbox, database_url) as running:
        await running.settled()
        assert await drops(database_url) == {"DR1000001", "DR1000003"}


async def test_parked_mentions_are_tried_again(database_url: str) -> None:
    """What was refused for a rule that is gone at the next start is published then."""
    outbox = Memory([mention(1), mention(2)])
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "ALTER TABLE public.drop_mentions ADD CONSTRAINT no2 CHECK (message_id <> 'M2')"
    )
    async with publishing(outbox, database_url) as running:
        await running.settled()
        assert running.status.parked == 1
    await connection.execute("ALTER TABLE public.drop_mentions DROP CONSTRAINT no2")
    await connection.close()
    async with publishing(outbox, database_url) as running:
        await running.settled()
        assert await drops(database_url) == {"DR1000001", "DR1000002"}


async def test_another_database_gets_everything_again(
    database_url: str, empty_database_url: str
) -> None:
    """Marks belong to one database: after a day on a wrong one, the right one misses nothing."""
    where = {"url": database_url}
    outbox = Memory([mention(1), mention(2)])
    async with publishing(outbox, lambda: where["url"]) as running:
        await running.settled()
        first = running.status.database_id
        connection = await asyncpg.connect(database_url)
        await connection.execute("UPDATE database_identity SET id = gen_random_uuid()")
        await connection.execute("DELETE FROM qa_photo_reviews")
        await connection.execute("DELETE FROM drop_mentions")
        await connection.close()
        async with asyncio.timeout(20):
            while running.status.database_id == first or not await drops(database_url):
                await asyncio.sleep(0.05)
        await running.settled()
        assert await drops(database_url) == {"DR1000001", "DR1000002"}
        where["url"] = empty_database_url
        await running.until("refused")
        assert running.status.database == urlsplit(empty_database_url).path[1:]


async def test_neon_parameters_do_no_harm(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A hosted URL's parameters, which Postgres would refuse, are left out and named in the log."""
    caplog.set_level("INFO")
    url = f"{database_url}?sslmode=prefer&channel_binding=prefer&connect_timeout=9&pgbouncer=true"
    async with publishing(Memory([mention(1)]), url) as running:
        await running.settled()
    assert "channel_binding,connect_timeout,pgbouncer" in {
        getattr(record, "parameters", None) for record in caplog.records
    }


async def test_our_own_number_is_known_before_anything_is_published(database_url: str) -> None:
    """Mentions by the account of this bridge never become reviews, and every bridge learns of it
    from Postgres.
    """
    own = OwnNumber("primary", "27000000064", "90000000064")
    ours = mention(1, author_pn=None, author_lid="90000000064")
    async with publishing(Memory([ours, mention(2)]), database_url, own=lambda: own) as running:
        await running.settled()
        assert await drops(database_url) == {"DR1000002"}
    async with publishing(Memory(), database_url, "backup") as other:
        await other.until("current")
        assert other.outbox.own == {"27000000064", "90000000064"}
        assert other.status.own_numbers == {own}


async def test_a_login_later_takes_our_own_drops_back(database_url: str) -> None:
    """A mention published before the number was known to be ours makes no lasting review."""
    account: list[OwnNumber] = []
    outbox = Memory([mention(1)])
    async with publishing(
        outbox, database_url, own=lambda: account[0] if account else None
    ) as running:
        await running.settled()
        assert await drops(database_url) == {"DR1000001"}
        account.append(OwnNumber("primary", "27000000001", None))
        await running.hear(mention(2, author_pn="27000000002"))
        await running.settled()
        assert await drops(database_url) == {"DR1000002"}


async def test_what_the_other_bridge_recorded_is_known_not_new(database_url: str) -> None:
    """The second copy is merged: the first bridge keeps the row, the second fills the sender."""
    async with publishing(Memory([mention(1, author_pn=None)]), database_url) as first:
        await first.settled()
    copy = mention(1, sent_at=mention(1).sent_at + timedelta(seconds=1))
    async with publishing(Memory([copy]), database_url, "backup") as second:
        await second.settled()
        assert (second.status.new, second.status.known) == (0, 1)
    assert await read(
        database_url, "SELECT bridge_source, submitted_by, resubmitted FROM qa_photo_reviews"
    ) == [("primary", "27000000001", False)]
    assert await read(database_url, "SELECT heard_first, heard_by FROM drop_mentions") == [
        ("primary", ["backup", "primary"])
    ]


async def test_the_url_is_read_again_when_its_file_changes(
    database_url: str, tmp_path: Path
) -> None:
    """A new DATABASE_URL_FILE counts without a restart."""
    file = tmp_path / "url"
    file.write_text("postgresql://nobody@127.0.0.1:1/nothing")
    async with publishing(Memory([mention(1)]), file.read_text, pace=QUICK) as running:
        await running.until("unreachable")
        file.write_text(database_url)
        await running.settled()
        assert await drops(database_url) == {"DR1000001"}
