"""The core under every story that chance can tell, with 2, 3 and 4 bridges and a fake clock.

The controller is killed and started again from what it kept, before and after it kept it.
"""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from failover.healing import Act
from failover.trust import Mode, Round, Step
from tests.failover.world import HELPABLE, NAMES, START, Bridge, State, World

SOME = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
FEW = settings(SOME, max_examples=20)
"""For stories after which hours pass."""
pytestmark = pytest.mark.timeout(400)
COUNTS = pytest.mark.parametrize("count", [2, 3, 4])

bridges = st.integers(0, 3)
events = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 40)),
    st.tuples(st.just("wait"), st.integers(40, 200)),
    st.tuples(st.just("state"), bridges, st.sampled_from(list(State))),
    st.tuples(st.just("state"), bridges, st.sampled_from([State.FIT, State.GONE])),
    st.tuples(st.just("rest"), st.integers(200, 1_500)),
    st.tuples(st.just("outage"), bridges, st.integers(0, 1), st.booleans()),
    st.tuples(st.just("outage"), bridges, st.integers(0, 1), st.booleans()),
    st.tuples(st.just("hears"), bridges),
    st.tuples(st.just("lacks"), bridges, st.integers(0, 2)),
    st.tuples(st.just("publishes"), bridges, st.booleans()),
    st.tuples(st.just("stubborn"), bridges, st.booleans()),
    st.tuples(st.just("docker"), st.booleans()),
    st.tuples(st.just("late"), st.booleans()),
    st.tuples(st.just("kill"), st.sampled_from(["before", "after"])),
    st.tuples(st.just("pause"), st.booleans()),
    st.tuples(st.just("pin"), st.booleans()),
)
stories = st.lists(events, max_size=40)


def happen(world: World, event: tuple[object, ...]) -> None:
    """Let one thing happen in the world."""
    match event:
        case ("wait", int(turns)):
            for _ in range(turns):
                world.turn()
        case ("rest", int(seconds)):
            world.rests(seconds)
        case ("outage", int(place), int(lacks), bool(hears)):
            outage(world, world.names[place % len(world.names)], lacks, hears=hears)
        case ("docker" | "late" as what, bool(on)):
            blind(world, what, on=on)
        case ("kill", str(moment)):
            world.turn(killed=moment)
        case ("pause", bool(on)):
            until = world.now + world.limits.pause_s if on else None
            mode = Mode.PAUSED if on else Mode.AUTO
            world.keep(replace(world.trust, mode=mode, paused_until=until))
        case ("pin", bool(on)):
            mode = Mode.PINNED if on else Mode.AUTO
            world.keep(replace(world.trust, mode=mode, latched=world.trust.latched and on))
        case (str(what), int(place), *value):
            befall(world.bridges[world.names[place % len(world.names)]], what, value, world.now)


def blind(world: World, what: str, *, on: bool) -> None:
    """Docker comes or goes, or our own turns come late."""
    if what == "docker":
        world.away(on)
    else:
        world.late = on


def outage(world: World, name: str, lacks: int, *, hears: bool) -> None:
    """A bridge is away for some seconds, and comes back with or without what it needs."""
    bridge = world.bridges[name]
    bridge.turn(State.GONE, world.now)
    world.turns(12)
    bridge.turn(State.FIT, world.now)
    bridge.lacks = lacks
    world.turns(70)
    bridge.heard_at = world.now if hears else None
    world.rests(400)


def befall(bridge: Bridge, what: str, value: list[object], now: float) -> None:
    """Let one thing happen to a bridge."""
    match what, value:
        case "state", [State() as state]:
            bridge.turn(state, now)
        case "hears", []:
            bridge.heard_at = now
        case "lacks", [int(lacks)]:
            bridge.lacks = lacks
        case "publishes", [bool(on)]:
            bridge.publishes = on
        case "stubborn", [bool(on)]:
            bridge.stubborn = on


def told(count: int, story: list[tuple[object, ...]]) -> World:
    """A world after a story."""
    world = World(NAMES[:count])
    world.turns(30)
    for event in story:
        happen(world, event)
        open_rounds = [r for r in world.trust.rounds if not r.over and r.step is not Step.BEYOND]
        assert len(open_rounds) <= 1, "two bridges are helped at once"
    return world


def helped_rightly(world: World) -> None:
    """Never while paused, never one that is well or for a person, and at most thrice an hour."""
    for helped in world.helps:
        assert helped.mode is not Mode.PAUSED
        if helped.act is Act.RECONNECT:
            assert helped.state in HELPABLE
        if helped.act is Act.RESTART:
            assert helped.state in HELPABLE | {State.OFFLINE}
    begun = [helped for helped in world.helps if helped.act is Act.RECONNECT]
    for one in begun:
        same = [o for o in begun if o.bridge == one.bridge and 0 <= one.at - o.at < 3600]
        assert len(same) <= world.limits.helps_per_h


@COUNTS
@SOME
@given(story=stories)
def test_every_switch_has_its_reasons_in_the_world(
    count: int, story: list[tuple[object, ...]]
) -> None:
    """Never within the hold time unless the bridge that was read is down; never when paused, pinned
    or blind; never between two working bridges to one that lacks messages or may be deaf; always
    to one that is fit.
    """
    world = told(count, story)
    limits, last = world.limits, None
    for move in world.moves:
        assert move.mode is Mode.AUTO
        assert move.states[move.target] is State.FIT
        assert move.since[move.target] <= move.at
        if move.states[move.source] is State.FIT:
            assert last is None or move.at - last >= limits.hold_s
            assert move.lacks[move.target] == 0
            assert move.at - move.since[move.target] >= limits.rise_s
            assert world.names.index(move.target) < world.names.index(move.source)
            since, heard = move.connected[move.target], move.heard[move.target]
            assert since is not None
            proved = heard is not None and heard >= since
            assert proved or move.at - since >= limits.heard_s
        else:
            assert move.at - move.since[move.source] >= 0
            if move.states[move.source] in {State.GONE, State.STOPPED}:
                seen_for = move.at - max(move.since[move.source], move.docker_since)
                assert seen_for >= limits.gone_s - 2
        last = move.at
    helped_rightly(world)


@COUNTS
@FEW
@given(story=stories, place=st.integers(0, 3), gone=st.sampled_from([State.GONE, State.HUNG]))
def test_one_that_is_gone_for_good_is_left_for_one_that_is_fit(
    count: int, story: list[tuple[object, ...]], place: int, gone: State
) -> None:
    """Whatever happened before, also after too many switches; then everything rests."""
    world = told(count, story)
    world.away(docker=True)
    world.late = False
    world.keep(replace(world.trust, mode=Mode.AUTO, paused_until=None))
    fit = world.names[place % count]
    for name, bridge in world.bridges.items():
        bridge.stubborn = True
        bridge.turn(State.FIT if name == fit else gone, world.now)
    world.turns(world.limits.hold_s + 120)
    assert world.side == fit
    settled = len(world.moves)
    world.rests(3_600)
    assert len(world.moves) == settled


@COUNTS
@FEW
@given(story=stories)
def test_a_world_that_rests_lets_the_monitors_rest(
    count: int, story: list[tuple[object, ...]]
) -> None:
    """No oscillation: when nothing changes any more there are at most two switches, one away from
    what is down and one back to the most preferred.
    """
    world = told(count, story)
    before = len(world.moves)
    world.rests(5 * 3_600)
    assert len(world.moves) - before <= 2
    settled = len(world.moves)
    world.rests(3_600)
    assert len(world.moves) == settled


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_controller_killed_at_any_step_of_an_outage_comes_to_the_same(moment: str) -> None:
    """The primary dies, stays away for a minute and is healed: one switch away and one back."""

    def outage(killed_at: int) -> World:
        world = World(NAMES[:2])
        for number in range(450):
            if number == 15:
                world.bridges["primary"].turn(State.GONE, world.now)
            if number == 60:
                world.bridges["primary"].turn(State.FIT, world.now)
                world.bridges["primary"].heard_at = world.now + 1
            world.turn(killed=moment if number == killed_at else "")
        return world

    for killed_at in (*range(12, 45), *range(45, 300, 15)):
        world = outage(killed_at)
        assert [move.target for move in world.moves] == ["backup", "primary"], killed_at
        assert world.moves[1].at - world.moves[0].at >= world.limits.hold_s


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("period", [2, 3, 6, 12, 40])
def test_flapping_for_ten_minutes_is_at_most_one_switch(period: int, *, both: bool) -> None:
    """A bridge that comes and goes is left once and not gone back to before it has risen; when the
    other one flaps too the latch ends it.
    """
    world = World(NAMES[:2])
    world.turns(30)
    until, turn = world.now + 600, 0
    while world.now < until:
        state = State.GONE if turn % 2 == 0 else State.FIT
        world.bridges["primary"].turn(state, world.now)
        if both:
            other = State.FIT if state is State.GONE else State.GONE
            world.bridges["backup"].turn(other, world.now)
        world.turns(period)
        turn += 1
    assert len(world.moves) <= (world.limits.switches_per_h + 1 if both else 1)


def test_two_bridges_that_fall_ill_together_are_helped_one_after_the_other() -> None:
    """Never both at once; one that no help helps does not keep the other from its own."""
    world = World(NAMES[:2])
    world.turns(30)
    world.bridges["primary"].stubborn = True
    for name in world.names:
        world.bridges[name].turn(State.DEAF, world.now)
        world.turn()
    world.turns(400)
    acts = [(helped.bridge, helped.act) for helped in world.helps]
    assert acts == [
        ("primary", Act.RECONNECT),
        ("primary", Act.RESTART),
        ("primary", Act.CALL),
        ("backup", Act.RECONNECT),
    ]
    assert world.bridges["backup"].state is State.FIT


def test_one_that_fails_again_is_helped_from_the_beginning_and_at_most_thrice() -> None:
    """Seen fit, a round is over; the next failure is reconnected first, and the fourth of an hour
    is for a person.
    """
    world = World(NAMES[:2])
    world.turns(30)
    for _ in range(4):
        world.bridges["backup"].turn(State.DEAF, world.now)
        world.turns(200)
    acts = [helped.act for helped in world.helps]
    assert acts == [Act.RECONNECT, Act.RECONNECT, Act.RECONNECT, Act.CALL]
    world.rests(3_700)
    assert world.helps[-1].act is Act.RECONNECT


def test_what_was_kept_is_what_is_recalled() -> None:
    """Through JSON and back: a round of help, a latch, a pin."""
    world = World(NAMES[:3])
    full = replace(
        world.trust.switched("third", "because", START, automatic=True),
        mode=Mode.PINNED,
        latched=True,
        pins_seen=("abc",),
        rounds=(Round("backup", "deaf", START, Step.BEYOND, START),),
    )
    world.keep(full)
    world.start()
    assert world.trust == full
