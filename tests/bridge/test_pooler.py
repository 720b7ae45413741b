"""The publisher through PgBouncer in transaction mode, with TLS."""

import asyncio
import socket

import pytest

from bridge.database import connected
from bridge.publisher import Pace
from contracts.database_url import parse_database_url
from tests.bridge.publishing import Memory, drops, mention, publishing, read
from tests.pooler import Pooled


@pytest.mark.parametrize("form", ["verified", "hosted"])
async def test_two_bridges_publish_through_one_pooler(
    pooled: Pooled, pooled_database: str, form: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Both publish at once by connections that the pooler hands from one to the other between any
    two transactions: every mention arrives, is heard by both, and nothing has to be tried again.
    """
    url = {"verified": pooled.verified, "hosted": pooled.hosted}[form](pooled_database)
    backlog = [mention(number) for number in range(1200)]
    async with (
        publishing(Memory(backlog[:]), url) as primary,
        publishing(Memory(backlog[::-1]), url, "backup") as backup,
    ):
        for number in range(1200, 1230):
            await primary.hear(mention(number))
            await backup.hear(mention(number))
            await asyncio.sleep(0.01)
        await primary.settled()
        await backup.settled()
        assert primary.status.word == backup.status.word == "current"
    direct = pooled.direct(pooled_database)
    assert len(await drops(direct)) == 1230
    both = "SELECT count(*) FROM drop_mentions WHERE heard_by @> ARRAY['primary', 'backup']"
    assert await read(direct, both) == [(1230,)]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_an_untrusted_certificate_is_for_somebody_to_act_on(
    pooled: Pooled, pooled_database: str
) -> None:
    """A certificate that nobody trusted signs does not pass by itself: refused, not unreachable."""
    url = pooled.verified(pooled_database).partition("&")[0]
    async with publishing(Memory([mention(1)]), url) as running:
        await running.until("refused")
        assert "certificate" in running.status.reason
        assert running.status.pending == 1


async def test_a_peer_that_vanished_is_noticed(pooled: Pooled, pooled_database: str) -> None:
    """Time limits as agreed: connect 5 s, command 10 s, and the kernel asks for a silent peer."""
    pace = Pace()
    assert (pace.connect_s, pace.command_s) == (5, 10)
    address = parse_database_url(pooled.verified(pooled_database))
    async with connected(address, "primary", pace.connect_s, pace.command_s) as database:
        transport = database._connection._transport  # noqa: SLF001
        sock = transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10
