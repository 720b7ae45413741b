"""Single rules in plain words: what a look shows, what a sentence says, what may never decide."""

from dataclasses import replace

import pytest

from contracts.bridge_health import BridgeHealth, Ears
from contracts.health import Part, Verdict
from failover.choice import Verdict as Choice
from failover.choice import View, choose, hears
from failover.healing import Act, help_needed
from failover.looks import Look, Reply, Sign, sign
from failover.seams import ProcessState, ProcessWord
from failover.tracks import Standing, Track, cut_off, seen
from failover.trust import Mode, Trust
from tests.failover.world import NAMES, START, State, World, limits

RUNS = ProcessState(ProcessWord.RUNNING)


def health(*parts: Part, ok: bool = True, ears: Ears | None = None) -> BridgeHealth:
    """An answer of a bridge."""
    return BridgeHealth(
        "primary",
        Verdict(ok, "ok" if ok else "down", parts),
        ears or Ears(3_600, queue_ended=True, live_age_s=1, lacks=0),
    )


def after(world: World, seconds: float, **states: State) -> World:
    """The world with these bridges changed, and some time passed."""
    for name, state in states.items():
        world.bridges[name].turn(state, world.now)
    world.turns(seconds)
    return world


@pytest.mark.parametrize(
    ("process", "reply", "shown"),
    [
        (RUNS, Reply.TIMED_OUT, Sign.HUNG),
        (RUNS, Reply.GARBLED, Sign.HUNG),
        (RUNS, Reply.REFUSED, Sign.GONE),
        (RUNS, Reply.NAMELESS, Sign.UNKNOWN),
        (ProcessState(ProcessWord.STOPPED), Reply.NAMELESS, Sign.GONE),
        (ProcessState(ProcessWord.GONE), Reply.TIMED_OUT, Sign.GONE),
        (ProcessState(ProcessWord.FROZEN), Reply.TIMED_OUT, Sign.HUNG),
        (None, Reply.REFUSED, Sign.UNKNOWN),
        (None, Reply.TIMED_OUT, Sign.UNKNOWN),
    ],
)
def test_silence_needs_the_word_of_docker_beside_it(
    process: ProcessState | None, reply: Reply, shown: Sign
) -> None:
    """A name that leads nowhere or an engine that is away says nothing about a bridge."""
    assert sign(Look(START, process, reply)) is shown


def test_an_answer_speaks_for_itself_also_while_docker_is_away() -> None:
    """Who answers runs."""
    assert sign(Look(START, None, Reply.ANSWERED, health())) is Sign.GOOD


def test_trouble_with_publishing_is_never_a_reason() -> None:
    """What is captured waits, whoever turned the answer to 503 for it."""
    publishing = Part("publishing", False, "unreachable", "Postgres is away")
    store = Part("store", False, "unavailable", "the disk")
    assert sign(Look(START, RUNS, Reply.ANSWERED, health(publishing, ok=False))) is Sign.GOOD
    both = health(publishing, store, ok=False)
    assert sign(Look(START, RUNS, Reply.ANSWERED, both)) is Sign.UNFIT


def test_a_round_in_which_we_were_late_saw_nothing() -> None:
    """Neither good nor bad: the machine stood still, and with it our questions."""
    look = Look(START, RUNS, Reply.TIMED_OUT, blind="3 s late")
    assert sign(look) is Sign.UNKNOWN
    track = Track()
    for second in range(20):
        track = seen(track, replace(look, at=START + second), limits())
    assert track.word is Standing.UNKNOWN


def test_a_crash_that_its_policy_repairs_is_no_outage() -> None:
    """Four seconds of absence raise suspicion and nothing else."""
    world = World(NAMES[:2])
    world.turns(30)
    after(world, 4, primary=State.GONE)
    assert world.tracks["primary"].word is Standing.SUSPECT
    after(world, 60, primary=State.FIT)
    assert world.moves == []


def test_a_bridge_that_only_a_person_can_help_is_left_at_once() -> None:
    """Logged out is no noise; and nobody reconnects it."""
    world = World(NAMES[:2])
    world.turns(30)
    world.bridges["primary"].turn(State.LOGGED_OUT, world.now)
    world.turn()
    assert world.side == "backup"
    world.turns(300)
    assert world.helps == []


@pytest.mark.parametrize("state", [State.FROZEN, State.STOPPED, State.BANNED, State.GONE])
def test_what_a_person_did_to_a_bridge_is_not_undone(state: State) -> None:
    """A stopped or paused container is left alone, and so is one that WhatsApp bans."""
    world = World(NAMES[:2])
    world.turns(30)
    after(world, 600, backup=state)
    assert world.helps == []


def test_when_all_fall_silent_in_one_instant_nobody_is_touched() -> None:
    """They run, says Docker: then it may be we who are cut off."""
    world = World(NAMES[:2])
    world.turns(30)
    after(world, 300, primary=State.HUNG, backup=State.HUNG)
    assert cut_off(world.tracks)
    assert world.last is not None
    assert world.last.choice.verdict is Choice.BLIND
    assert (world.moves, world.helps) == ([], [])


def test_two_that_hang_at_different_times_are_helped() -> None:
    """That is no cut-off failover."""
    world = World(NAMES[:2])
    world.turns(30)
    after(world, 20, primary=State.HUNG)
    after(world, 300, backup=State.HUNG)
    assert [helped.bridge for helped in world.helps if helped.act is Act.RESTART] == [
        "primary",
        "backup",
    ]


def test_both_down_is_said_and_the_first_that_is_up_is_read() -> None:
    """The monitors stay until then."""
    world = World(NAMES[:2])
    world.turns(30)
    after(world, 40, primary=State.GONE, backup=State.GONE)
    assert world.last is not None
    assert world.last.choice.verdict is Choice.STRANDED
    assert world.side == "primary"
    after(world, 20, backup=State.FIT)
    assert world.side == "backup"


def test_nothing_is_decided_right_after_the_start() -> None:
    """A controller that has just started has not seen enough."""
    world = World(NAMES[:2])
    world.bridges["primary"].turn(State.LOGGED_OUT, world.now)
    world.turns(12)
    assert world.moves == []
    assert world.last is not None
    assert "would have switched to backup" in world.last.choice.sentence
    world.turns(6)
    assert world.side == "backup"


def test_the_proof_of_hearing_is_named() -> None:
    """A live message since it is back, a canary, or ten minutes without anything kept back."""
    numbers = limits()

    def proof(ears: Ears, **more: float) -> tuple[bool, str]:
        look = Look(START, RUNS, Reply.ANSWERED, health(ears=ears))
        return hears(replace(Track(last=look), **more), START, numbers)  # type: ignore[arg-type]

    heard = Ears(60, queue_ended=True, live_age_s=5, lacks=0)
    assert proof(heard) == (True, "hears: a live message 5 s ago")
    assert proof(heard, failed_at=START - 2)[0] is False
    assert proof(replace(heard, live_age_s=90))[0] is False
    old = replace(heard, live_age_s=None)
    assert proof(old)[0] is False
    assert proof(old, canary_at=START - 3) == (True, "hears: a canary 3 s ago")
    assert "connected for 700 s" in proof(replace(old, connected_s=700))[1]
    assert proof(replace(old, connected_s=700, queue_ended=False))[0] is False
    assert proof(replace(old, connected_s=None))[0] is False


def test_one_that_lacks_messages_is_better_than_one_that_is_down() -> None:
    """And of two that are up the one that lacks less is gone to, not the more preferred."""
    world = World(NAMES[:3])
    world.turns(30)
    world.bridges["backup"].lacks = 5
    world.bridges["third"].lacks = 2
    after(world, 10, primary=State.GONE)
    assert world.side == "third"


def test_a_lack_keeps_a_better_bridge_waiting_until_it_is_repaired() -> None:
    """Between working bridges there is time."""
    world = World(NAMES[:2])
    world.turns(30)
    after(world, 10, primary=State.GONE)
    world.bridges["primary"].lacks = 1
    world.bridges["primary"].heard_at = None
    after(world, 1_500, primary=State.FIT)
    assert world.side == "backup"
    assert world.last is not None
    assert "lacks 1 messages" in world.last.choice.sentence
    world.bridges["primary"].lacks = 0
    world.turns(10)
    assert world.side == "primary"


def test_failback_by_hand_waits_and_says_so() -> None:
    """Ready, and a person decides when."""
    world = World(NAMES[:2])
    world.keep(replace(world.trust, failback="manual"))
    world.turns(30)
    after(world, 10, primary=State.GONE)
    after(world, 2_000, primary=State.FIT)
    assert world.side == "backup"
    assert world.last is not None
    assert world.last.choice.verdict is Choice.READY


def test_a_latched_failover_does_not_go_back_but_leaves_what_is_gone_for_good() -> None:
    """Too many switches need a person; a dead bridge does not wait for one."""
    world = World(NAMES[:2])
    world.turns(30)
    world.keep(replace(world.trust, latched=True))
    after(world, 200, primary=State.GONE)
    assert world.side == "primary"
    world.turns(150)
    assert world.side == "backup"
    world.bridges["primary"].heard_at = world.now + 5
    after(world, 4_000, primary=State.FIT)
    assert world.side == "backup"


def test_a_pinned_or_paused_failover_says_what_it_would_do() -> None:
    """And helps nobody while paused."""
    world = World(NAMES[:2])
    world.turns(30)
    for mode in (Mode.PAUSED, Mode.PINNED):
        world.keep(replace(world.trust, mode=mode, paused_until=world.now + 1e6))
        after(world, 30, primary=State.GONE, backup=State.FIT)
        view = View(world.trust, world.tracks, world.now, world.started_at, world.limits)
        assert "would have switched to backup" in choose(view).sentence
        assert world.side == "primary"
    world.keep(replace(world.trust, mode=Mode.PAUSED))
    after(world, 10, backup=State.DEAF)
    helped = help_needed(world.trust, world.tracks, world.now, world.limits)
    assert helped.act is None
    assert "would have helped backup" in helped.sentence


def test_a_bridge_that_is_no_more_in_the_stack_is_not_read() -> None:
    """A side that stack.yaml no longer names gives way to the most preferred one."""
    kept = Trust.first(("old", "backup"), "auto", START).to_json()
    trust = Trust.recalled(kept, ("primary", "backup"), "auto", START + 1)
    assert (trust.side, trust.epoch) == ("primary", 2)


def test_risen_is_so_many_good_answers_and_so_much_time() -> None:
    """Neither alone: while another one is suspect everybody is asked four times as often."""
    numbers = limits()
    track = Track(word=Standing.UP, good=30, good_since=START)
    assert track.risen(START + 60, numbers)
    assert not track.risen(START + 59, numbers)
    assert not replace(track, good=29).risen(START + 600, numbers)
    assert not replace(track, word=Standing.SUSPECT).risen(START + 600, numbers)


def test_what_another_version_kept_is_begun_anew_and_said() -> None:
    """A failover that cannot read its memory must not stay away: the bridges need it now."""
    kept = Trust.first(("primary", "backup"), "auto", START).to_json()
    for strange in (kept | {"colour": "red"}, kept | {"mode": "dreaming"}, {}):
        trust = Trust.recalled(strange, ("primary", "backup"), "auto", START)
        assert (trust.side, trust.epoch) == ("primary", 1)
        assert "another version" in trust.reason
