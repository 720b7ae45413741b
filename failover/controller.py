"""The loop of the failover: observe, judge, keep, act. What it decides is in judging.py.

Three tasks: one looks and decides, every two seconds and whenever Docker tells of something; one
sees that the monitors stand where they should; one helps bridges. So a slow swap or restart keeps
nobody from looking, and everything that acts starts from what was kept.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import replace
from typing import Any

from contracts.failover_limits import FailoverLimits
from failover.choice import Choice, Verdict, View
from failover.healing import Act, Help
from failover.judging import Judgement, evidenced, judge
from failover.observing import Observer
from failover.seams import Engine, EngineAway, Follower, Happening, Memory, Placement
from failover.tracks import Standing, Track, seen
from failover.trust import Mode, Trust
from failover.verbs import Change

log = logging.getLogger(__name__)

SAID_EVERY_S = 60.0
WORTH_KEEPING = {
    Verdict.STRANDED,
    Verdict.BLIND,
    Verdict.LATCHED,
    Verdict.READY,
    Verdict.PAUSED,
    Verdict.PINNED,
}
"""Verdicts that go into the history when they begin, although nothing is done."""


class Controller:
    """What is known and decided; entered by `run`, asked by the API, told by the verbs."""

    def __init__(
        self,
        order: Sequence[str],
        limits: FailoverLimits,
        engine: Engine,
        memory: Memory,
        observer: Observer,
    ) -> None:
        self.order = tuple(order)
        self.limits = limits
        self.engine = engine
        self.memory = memory
        self.observer = observer
        self.tracks: Mapping[str, Track] = {name: Track() for name in order}
        self.started_at = time.time()
        self.trust = Trust.recalled(memory.trust, order, limits.failback, self.started_at)
        self.choice = Choice(Verdict.STARTING, "just started")
        self.placement: Placement | None = None
        self.engine_trouble = ""
        self.memory_trouble = ""
        self._placed = 0
        self._troubled: AbstractSet[str] = frozenset()
        self.turned_at = time.monotonic()
        self._deciding = asyncio.Lock()
        self._look = asyncio.Event()
        self._place = asyncio.Event()
        self._helps: asyncio.Queue[Help] = asyncio.Queue()
        self._said: tuple[float, tuple[object, ...]] = (0.0, ())

    async def run(self) -> None:
        """Until cancelled."""
        await self.keep(self.trust, None)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listening())
            tasks.create_task(self._looking())
            tasks.create_task(self._placing())
            tasks.create_task(self._helping())

    @property
    def view(self) -> View:
        """What a decision rests on."""
        return View(self.trust, self.tracks, time.time(), self.started_at, self.limits)

    async def keep(self, trust: Trust, happening: Happening | None) -> None:
        """Durably first, then for real; raises OSError, and then nothing was decided."""
        try:
            await asyncio.to_thread(self.memory.keep, trust.to_json(), happening)
        except OSError as failed:
            self.memory_trouble = str(failed)
            raise
        self.memory_trouble = ""
        self.trust = trust

    async def decided(self, change: Change) -> str:
        """Do what a person's verb wants; returns the sentence. Raises Refused of the verb."""
        async with self._deciding:
            trust, sentence, what = change(self.view)
            said = Happening(time.time(), what, sentence, evidenced(self.view))
            await self.keep(trust, said)
        log.warning("told by a person", extra={"verb": what, "sentence": sentence})
        self.engine.acknowledge()
        self._place.set()
        self._look.set()
        return sentence

    async def _listening(self) -> None:
        async for service in self.engine.events():
            log.debug("something happened", extra={"service": service})
            self._look.set()
            self._place.set()

    async def _looking(self) -> None:
        due = time.monotonic()
        while True:
            late = time.monotonic() - due
            blind = f"our own turn came {late:.1f} s late" if late > self._late_s else ""
            await self._turn(await self.observer.looks(blind))
            self.turned_at = time.monotonic()
            suspect = any(track.word is Standing.SUSPECT for track in self.tracks.values())
            pause = self.limits.suspect_probe_ms if suspect else self.limits.probe_ms
            due = time.monotonic() + pause / 1000
            with suppress(TimeoutError):
                async with asyncio.timeout(pause / 1000):
                    await self._look.wait()
            self._look.clear()

    @property
    def _late_s(self) -> float:
        return self.limits.late_ms / 1000

    async def _turn(self, looks: Mapping[str, Any]) -> None:
        """Judge what was seen, keep it, and let the other two act."""
        async with self._deciding:
            self.tracks = {
                name: seen(track, looks[name], self.limits) for name, track in self.tracks.items()
            }
            judged = judge(self.view)
            begun = judged.choice.verdict is not self.choice.verdict
            happenings = list(judged.happenings)
            if begun and judged.choice.verdict in WORTH_KEEPING:
                verdict, sentence = judged.choice.verdict, judged.choice.sentence
                happenings.append(Happening(time.time(), verdict, sentence, evidenced(self.view)))
            if not await self._kept(judged.trust, happenings):
                return
            self.choice = judged.choice
        self._say(judged)
        if judged.choice.target is not None:
            self._place.set()
        if judged.help.act is not None:
            self._helps.put_nowait(judged.help)

    async def _kept(self, trust: Trust, happenings: Sequence[Happening]) -> bool:
        """Whether it could be made durable: what could not is not done."""
        try:
            if trust != self.trust or happenings:
                for happening in happenings or (None,):
                    await self.keep(trust, happening)
        except OSError as failed:
            log.error("nothing is decided, it could not be kept", extra={"reason": str(failed)})
            return False
        return True

    def _say(self, judged: Judgement) -> None:
        """One sentence per change and per minute."""
        at, key = self._said
        now = time.monotonic()
        if key == judged.key and now - at < SAID_EVERY_S:
            return
        self._said = (now, judged.key)
        quiet = judged.choice.verdict in {Verdict.STAY, Verdict.STARTING, Verdict.HELD}
        level = logging.INFO if quiet and judged.help.act is None else logging.WARNING
        log.log(level, "verdict", extra={"sentence": judged.sentence, "epoch": self.trust.epoch})

    async def _placing(self) -> None:
        while True:
            try:
                await self._adopt(await self.engine.followers())
                await self._place_once()
                self.engine_trouble = ""
            except EngineAway as away:
                if not self.engine_trouble:
                    log.warning("monitors not placed", extra={"reason": str(away)})
                self.engine_trouble = str(away) or "Docker does not answer"
            with suppress(TimeoutError):
                async with asyncio.timeout(self.limits.probe_ms / 1000):
                    await self._place.wait()
            self._place.clear()

    async def _place_once(self) -> None:
        trust = self.trust
        if trust.mode is Mode.PAUSED and self._placed == trust.epoch:
            # Observed and not repaired: what a person does meanwhile is left alone.
            followers = tuple(await self.engine.followers())
            self.placement = Placement(trust.side, trust.epoch, followers)
            return
        placed = await self.engine.place(trust.side, trust.epoch)
        self.placement = placed
        if placed.done:
            self._placed = placed.epoch
        if placed.moved:
            sentence = f"{', '.join(placed.moved)} now read {placed.side}"
            await self._noted("placed", sentence, {"epoch": placed.epoch})
        troubles = dict(placed.troubles)
        if placed.gave_up:
            troubles["all"] = "somebody keeps moving the monitors back; not fought any more"
        if troubles and troubles.keys() != self._troubled:
            sentence = "; ".join(f"{name}: {why}" for name, why in troubles.items())
            await self._noted("not placed", sentence, {"epoch": placed.epoch})
        self._troubled = troubles.keys()

    async def _noted(self, what: str, sentence: str, evidence: Mapping[str, Any]) -> None:
        """Into the log and the history; the history may fail, the work goes on."""
        log.warning("monitors", extra={"what": what, "sentence": sentence})
        async with self._deciding:
            with suppress(OSError):
                await self.keep(self.trust, Happening(time.time(), what, sentence, evidence))

    async def _adopt(self, followers: Sequence[Follower]) -> None:
        """A person moved the monitors by READ_FROM, without us: that is a pin."""
        async with self._deciding:
            trust = self.trust
            fresh = [
                one
                for one in followers
                if one.pinned_to in self.order and one.container not in trust.pins_seen
            ]
            if not fresh:
                return
            side = fresh[0].pinned_to or trust.side
            sentence = f"{fresh[0].service} was started with READ_FROM={side}: pinned by a person"
            if side != trust.side:
                trust = trust.switched(side, sentence, time.time(), automatic=False)
            seen_pins = {one.container for one in followers} & set(trust.pins_seen)
            pins = (*sorted(seen_pins), *(one.container for one in fresh))
            pinned = replace(trust, mode=Mode.PINNED, paused_until=None, pins_seen=pins)
            with suppress(OSError):
                await self.keep(pinned, Happening(time.time(), "pin", sentence))
                log.warning("pinned", extra={"sentence": sentence})

    async def _helping(self) -> None:
        while True:
            helped = await self._helps.get()
            try:
                match helped.act:
                    case Act.RECONNECT:
                        said = await self.observer.reconnect(helped.bridge)
                    case Act.RESTART:
                        await self.engine.restart(helped.bridge)
                        said = "restarted"
                    case _:
                        said = "a person is needed"
            except EngineAway as away:
                said = f"not done: {away}"
            extra = {"bridge": helped.bridge, "act": helped.act, "answer": said}
            log.warning("help", extra=extra)
            self._look.set()
