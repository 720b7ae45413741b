"""The bridge that the monitors read fails while technicians write: they read the other one, the
bridge is helped where that is possible, they go back, and no message is missing anywhere.
"""

from collections.abc import Callable
from urllib.parse import quote

import pytest

from bench import drill
from tests.conftest import call, docker, eventually
from tests.scenarios.conftest import BRIDGES, NUMBERS, group_of
from tests.scenarios.failover.conftest import MONITORS, PATIENCE_S, Watched

pytestmark = pytest.mark.timeout(600)
PRIMARY = BRIDGES["primary"]


def test_killed_and_held_down(watched: Watched) -> None:
    """A monitor that hangs is moved all the same, and another one, frozen before the switch and
    thawed after it, changes nothing.
    """
    stack = watched.field.stack
    old = stack.compose("run", "--detach", "--no-deps", "monitor-prod").strip()
    try:
        with watched.flow() as written:
            watched.more(written, 4)
            docker("pause", old)
            watched.freeze("monitor-prod")
            stack.compose("kill", PRIMARY)
            watched.settled("backup")
            watched.more(written, 4)
            docker("unpause", old)
            stack.compose("start", PRIMARY)
            watched.settled("primary")
        watched.whole()
    finally:
        docker("rm", "--force", old)
    said = watched.told("history")
    assert "primary is down" in said
    assert "monitor-prod" in said


def test_a_hang_is_left_and_healed(watched: Watched) -> None:
    """Every process of the bridge stands still: nothing tells of it but its silence. Its container
    is restarted by nobody's hand, and the monitors go back.
    """
    with watched.flow() as written:
        began = watched.field.stack.inspect(PRIMARY)["State"]["StartedAt"]
        watched.freeze(PRIMARY)
        watched.settled("backup")
        watched.more(written, 4)
        eventually(
            "it was restarted",
            lambda: watched.field.stack.inspect(PRIMARY)["State"]["StartedAt"] != began,
            PATIENCE_S,
        )
        watched.settled("primary")
    watched.whole()


def test_deaf_and_nobody_touches_it(watched: Watched) -> None:
    """The bridge that hears nothing is told to connect anew, gets what was held back, and the
    stack is redundant again.
    """
    helped = sum(1 for line in watched.history() if line["what"] == "help")
    with watched.flow():
        watched.field.hurt("primary", "deaf")
        eventually(
            "it was helped",
            lambda: sum(1 for line in watched.history() if line["what"] == "help") > helped,
            PATIENCE_S,
        )

        def overall() -> bool:
            status = watched.field.stack.compose(
                *("run", "--rm", "--no-deps", "--no-TTY", "database-migrate"),
                *("python", "-m", "contracts.status"),
                check=False,
            )
            return "Overall: REDUNDANT" in status

        eventually("it is redundant again", overall, PATIENCE_S)
    watched.whole()
    ids = {row["id"] for row in watched.field.ledger("Watched")}
    eventually(
        "the healed bridge has everything",
        lambda: ids <= set(watched.field.texts("primary", "Watched")),
        PATIENCE_S,
    )
    assert any("deaf" in line["sentence"] for line in watched.history())


def test_logged_out(watched: Watched) -> None:
    """Only a person can help: the monitors leave at once. They return when the bridge was paired
    again and lacks nothing, because its phone has told it what was written meanwhile.
    """
    with watched.flow():
        watched.field.hurt("primary", "logged_out")
        watched.settled("backup")

        def code() -> str:
            shown = call(f"{watched.field.stack.url(PRIMARY, 8080)}/pairing").json
            return str(shown.get("qr") or "")

        shown = eventually("it shows a code", code, PATIENCE_S)
        watched.field.post("/api/pair", qr=shown, phone=NUMBERS["primary"])
        watched.both_up()
        watched.field.tell_history("primary")
        watched.settled("primary")
    watched.whole()


def test_both_down(watched: Watched) -> None:
    """Nowhere to go: the monitors stay and it is said; they follow whichever is up first, and then
    go back.
    """
    stack = watched.field.stack
    with watched.flow() as written:
        stack.compose("kill", *BRIDGES.values())
        eventually("it is said", lambda: "stranded" in watched.told("status"), PATIENCE_S)
        assert watched.reads() == {"primary"}
        watched.more(written, 4)
        stack.compose("start", BRIDGES["backup"])
        watched.settled("backup")
        stack.compose("start", PRIMARY)
        watched.settled("primary")
    watched.whole()


@pytest.mark.soak
@pytest.mark.parametrize("how", ["stop", "rm", "pause"])
def test_a_person_takes_it_away(watched: Watched, how: str) -> None:
    """`docker stop`, `rm` and `pause` of the bridge: it is left, and nobody works against them."""
    stack = watched.field.stack
    helped = sum(1 for line in watched.history() if line["what"] == "help")
    ways: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "stop": (
            lambda: stack.compose("stop", PRIMARY),
            lambda: stack.compose("start", PRIMARY),
        ),
        "rm": (
            lambda: stack.compose("rm", "--stop", "--force", PRIMARY),
            lambda: stack.compose("up", "--detach", "--no-deps", PRIMARY),
        ),
        "pause": (
            lambda: stack.compose("pause", PRIMARY),
            lambda: stack.compose("unpause", PRIMARY),
        ),
    }
    away, back = ways[how]
    with watched.flow():
        away()
        watched.settled("backup")
        back()
        watched.settled("primary")
    watched.whole()
    assert sum(1 for line in watched.history() if line["what"] == "help") == helped


@pytest.mark.soak
def test_disconnected(watched: Watched) -> None:
    """WhatsApp refuses the primary for a while."""
    with watched.flow():
        watched.field.hurt("primary", "refused")
        watched.settled("backup")
        watched.field.heal("primary")
        watched.settled("primary")
    watched.whole()


@pytest.mark.soak
def test_flapping(watched: Watched) -> None:
    """It hangs for a second and goes on, again and again: at most one switch."""
    before = watched.switches()
    with watched.flow() as written:
        for _ in range(10):
            watched.freeze(PRIMARY)
            watched.more(written, 4)
            watched.thaw(PRIMARY)
            watched.more(written, 4)
        assert watched.switches() - before <= 1
        watched.settled("primary")
    watched.whole()


@pytest.mark.soak
def test_one_number_is_in_no_group(watched: Watched) -> None:
    """The primary hears nothing of a group that it is not in: no reason to switch."""
    before = watched.switches()
    members = f"/api/groups/{quote(group_of('Story'))}/members"
    field = watched.field
    field.member("Story", "27000001002")
    url = f"{field.stack.url('simulator', 8090)}{members}/{NUMBERS['primary']}"
    assert call(url, method="DELETE").status == 200
    try:
        with watched.flow() as written:
            row = field.write("Story", "27000001002", "for one pair of ears")
            old = "SELECT 1 FROM message WHERE id = ? AND received_at < (unixepoch() - 12) * 1000"
            eventually(
                "it is missing for long", lambda: field.stored("backup", old, row["id"]), PATIENCE_S
            )
            watched.more(written, 4)
        assert watched.switches() == before
        assert watched.reads() == {"primary"}
    finally:
        field.post(members, phone=NUMBERS["primary"])
    watched.whole()


def test_what_is_no_reason(watched: Watched, postgres_container: str) -> None:
    """Postgres away: no switch; what was captured is published when it is back. Then a pause over
    an outage: no switch either, and the history says what would have been done.
    """
    before = watched.switches()
    stack = watched.field.stack
    network = f"{stack.project}_default"
    with watched.flow() as written:
        docker("network", "disconnect", "--force", network, postgres_container)
        try:
            watched.more(written, 60)
        finally:
            docker("network", "connect", "--alias", "reviews", network, postgres_container)
        assert watched.switches() == before
        watched.told("pause", "--for", "1h")
        stack.compose("kill", PRIMARY)
        eventually(
            "it says what it would have done",
            lambda: "would have switched to backup" in watched.told("history"),
            PATIENCE_S,
        )
        watched.more(written, 8)
        stack.compose("start", PRIMARY)
        watched.both_up()
        watched.told("resume")
        assert watched.reads() == {"primary"}
        assert watched.switches() == before
    watched.whole()


def test_the_drill(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    """What `make drill` prints: the way there, nothing lost, and the way home."""
    mentions = "SELECT message_id FROM drop_mentions WHERE chat = %s"

    def recorded() -> set[str]:
        return {row["message_id"] for row in watched.field.sql(mentions, group_of("Watched"))}

    watched.field.member("Watched", drill.TECHNICIAN)
    lost_nothing = drill.Drill(watched.field.stack.project, recorded, group_of("Watched"))
    assert lost_nothing.run(wait=True)
    told = capsys.readouterr().out
    for service in MONITORS:
        assert f"{service} reads the volume of backup" in told
        assert f"{service} reads the volume of primary" in told
    assert "primary is down" in told
    assert "lost: nothing" in told
    watched.whole()


def test_compose_works_against_it(watched: Watched) -> None:
    """`up -d`, `--force-recreate` and a removal with `up`: the monitors are brought back to where
    a person has switched them, and only `resume` lets them go home.
    """
    stack = watched.field.stack
    with watched.flow():
        watched.told("switch", "--from", "primary", "--to", "backup")
        watched.settled("backup")
        stack.compose("up", "--detach", "--no-deps", *MONITORS)
        watched.settled("backup")
        stack.compose("up", "--detach", "--no-deps", "--force-recreate", *MONITORS)
        watched.settled("backup")
        stack.compose("rm", "--stop", "--force", *MONITORS)
        stack.compose("up", "--detach", "--no-deps", *MONITORS)
        watched.settled("backup")
        watched.told("resume")
        watched.settled("primary")
    watched.whole()
