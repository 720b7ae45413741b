"""What a bridge keeps of what its peer heard: a real store, a real API, and the wire between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bridge.api import application, served
from bridge.pairing_code import CodeAnswer, CodeVerdict
from bridge.peers import KEPT_AT_MOST, Peers
from bridge.settings import Peer
from bridge.store import Store
from contracts.heard import LIMIT, HeardAnswer, HeardMessage
from tests.bridge.events import GROUP, info, message, phone
from tests.bridge.filled import feed, open_store
from tests.bridge.test_api import TOKEN, Recorded

PATIENCE_S = 60


class Heard(Recorded):
    """A peer that has heard what the test says, each message in a change of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.store_id = "first"
        self.messages: list[HeardMessage] = []
        self.asked: list[int] = []

    async def heard(self, after: int) -> HeardAnswer:
        """The window after a change."""
        self.asked.append(after)
        window = tuple(self.messages[after : after + LIMIT])
        seq = len(self.messages)
        return HeardAnswer("backup", self.store_id, seq, after + len(window), (), window)

    async def pairing_code(self) -> CodeAnswer:
        """It is paired."""
        return CodeAnswer(None, CodeVerdict(False, "paired"))

    def hears(self, *identities: str, witness: bool = True) -> None:
        """Messages arrive at the peer."""
        self.messages += [HeardMessage(GROUP, one, 1_000, witness) for one in identities]


@asynccontextmanager
async def watching(store: Store, peer: Heard) -> AsyncIterator[Peers]:
    """The peer's API is up, and the bridge asks it."""
    async with served(application(peer, {"127.0.0.1"}, TOKEN), "127.0.0.1", 0) as port:
        peers = Peers([Peer("backup", "082", "", f"http://127.0.0.1:{port}")], TOKEN, store)
        task = asyncio.create_task(peers.watch())
        try:
            yield peers
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(peers: Peers, *identities: str) -> None:
    """Wait until exactly these are missing."""
    async with asyncio.timeout(PATIENCE_S):
        while {one.id for one in peers.missing} != set(identities):
            await asyncio.sleep(0.05)


async def test_only_what_never_arrived_is_missing(tmp_path: Path) -> None:
    """What is stored, or comes later, is not; nor what proves nothing."""
    peer = Heard()
    with open_store(tmp_path) as store:
        feed(store, [("message", message(info("HERE", phone("2782")), "one"))])
        peer.hears("HERE", "LATE", "GONE")
        peer.hears("HISTORY", witness=False)
        async with watching(store, peer) as peers:
            await until(peers, "LATE", "GONE")
            feed(store, [("message", message(info("LATE", phone("2782")), "two"))])
            await until(peers, "GONE")
            assert peers.answered_at["backup"] is not None


async def test_a_peer_whose_file_was_put_back_is_asked_anew(tmp_path: Path) -> None:
    """Its changes are behind our cursor, or its file is another one: nothing may be skipped."""
    peer = Heard()
    with open_store(tmp_path) as store:
        async with watching(store, peer) as peers:
            peer.hears("A", "B", "C")
            await until(peers, "A", "B", "C")
            del peer.messages[:]
            peer.hears("D")
            await until(peers, "A", "B", "C", "D")
            peer.store_id = "second"
            peer.messages[0] = HeardMessage(GROUP, "E", 1_000, witness=True)
            await until(peers, "A", "B", "C", "D", "E")


async def test_a_full_memory_makes_room_for_what_is_new(tmp_path: Path) -> None:
    """After a day away thousands are missing that prove nothing; the next one still counts."""
    peer = Heard()
    old = [f"OLD{number}" for number in range(KEPT_AT_MOST)]
    with open_store(tmp_path) as store:
        async with watching(store, peer) as peers:
            peer.hears(old[0])
            await until(peers, old[0])
            peer.hears(*old[1:])
            await until(peers, *old)
            peer.hears("NEW")
            await until(peers, *old[1:], "NEW")
