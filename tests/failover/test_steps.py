"""The next step of a swap, from whatever state a kill or Compose has left behind."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from failover.fights import FIGHTS, WINDOW_S, Fights
from failover.placing import Do, Next, Seen, Wait, next_step

NAME = "stack-monitor-prod-1"
OLD = Seen(
    id="a",
    name=NAME,
    volume="primary",
    state="running",
    created_s=100,
    started_s=100,
    epoch=0,
    networks=frozenset({"default"}),
    policy="unless-stopped",
    final_name=NAME,
)


def taken(seen: list[Seen], step: Next, volume: str, number: int) -> list[Seen]:
    """What the engine lists after the step."""
    one = step.container
    if step.do is Do.CREATE:
        made = replace(
            one,
            id=f"made-{number}",
            name=f"epoch-{number}",
            volume=volume,
            state="created",
            created_s=0,
            started_s=None,
            epoch=number,
            policy="unless-stopped",
        )
        return [*seen, made]
    if step.do is Do.REMOVE:
        assert not one.alive, "nothing that runs is removed"
        return [each for each in seen if each is not one]
    if step.do is Do.START:
        assert not any(each.alive for each in seen), "two at once"
    changes: dict[Do, dict[str, Any]] = {
        Do.QUIET: {"policy": "no"},
        Do.THAW: {"state": "running"},
        Do.STOP: {"state": "exited"},
        Do.START: {"state": "running"},
        Do.RENAME: {"name": NAME},
        Do.RESTORE: {"policy": "unless-stopped"},
    }
    after = replace(one, **changes[step.do])
    return [after if each is one else each for each in seen]


def placed(seen: list[Seen], volume: str, steps: int) -> list[Seen]:
    """After at most so many steps."""
    for number in range(1, steps + 1):
        step = next_step(seen, volume)
        if not isinstance(step, Next):
            break
        seen = taken(seen, step, volume, number)
    return seen


def test_a_whole_swap_takes_eight_steps_at_most() -> None:
    """From a running one on the other volume to exactly one that stands; the old one is quieted
    before it is stopped, so that no policy brings it back.
    """
    seen = placed([OLD], "backup", 8)

    (one,) = seen
    assert (one.volume, one.state, one.name) == ("backup", "running", NAME)
    assert next_step(seen, "backup") is None


@given(st.lists(st.tuples(st.sampled_from(["primary", "backup"]), st.integers(0, 8)), max_size=12))
def test_whatever_a_kill_leaves_the_next_decision_comes_to_its_end(
    decisions: list[tuple[str, int]],
) -> None:
    """Controllers are killed after any number of steps, each with another decision, and never two
    containers run; the last one is let go on, and exactly one stands, with name and policy.
    """
    seen = [OLD]
    for volume, steps in decisions:
        seen = placed(seen, volume, steps)
    side = decisions[-1][0] if decisions else "backup"
    seen = placed(seen, side, 40)

    (one,) = seen
    assert (one.volume, one.state, one.name) == (side, "running", NAME)
    assert one.policy == "unless-stopped"


def test_compose_is_let_finish() -> None:
    """What Compose has just made is not touched, nor is what it is in the midst of replacing."""
    for fresh in (
        replace(OLD, created_s=1, started_s=1),
        replace(OLD, name="0123456789ab_monitor", created_s=10, started_s=None, state="created"),
    ):
        step = next_step([fresh], "backup")
        assert isinstance(step, Wait)
        assert step.settling
    settled = next_step([replace(OLD, created_s=5, started_s=3)], "backup")
    assert isinstance(settled, Next)


def test_what_a_person_stopped_stays_stopped() -> None:
    """On the right side it is in place; on the other one it is said, and nothing is started."""
    stopped = replace(OLD, state="exited")
    assert next_step([stopped], "primary") is None
    step = next_step([stopped], "backup")
    assert isinstance(step, Wait)
    assert not step.settling


def test_a_half_made_container_without_its_networks_is_thrown_away() -> None:
    """The controller was killed between the create and the connect."""
    half = replace(
        OLD, id="b", name="x", volume="backup", state="created", epoch=2, networks=frozenset()
    )
    assert next_step([OLD, half], "backup") == Next(Do.REMOVE, half)


def test_a_fight_is_given_up_after_three_times_in_ten_minutes() -> None:
    """Until a person says something, or decides anew; other monitors are still placed."""
    fights = Fights()
    assert fights.may_begin("prod", 1, 0)
    for undone in range(FIGHTS):
        fights.stands("prod", 1)
        assert fights.may_begin("prod", 1, 10.0 * undone)
    fights.stands("prod", 1)
    assert not fights.may_begin("prod", 1, 40)
    assert not fights.may_begin("prod", 1, 10 * WINDOW_S), "not by itself, however long it takes"
    assert fights.may_begin("dev", 1, 40)
    assert fights.may_begin("prod", 2, 40)
    fights.forget()
    assert fights.may_begin("prod", 1, 40)


def test_once_in_a_while_is_no_fight() -> None:
    """An update every hour is put right every hour."""
    fights = Fights()
    for hour in range(10):
        assert fights.may_begin("prod", 1, 3600.0 * hour)
        fights.stands("prod", 1)
