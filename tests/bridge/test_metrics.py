"""GET /metrics tells Prometheus what health knows, and nothing of anybody."""

import re
from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from bridge.connection import Connection, Word
from bridge.disk import Space
from bridge.health import Facts, StoreFacts, judge
from bridge.losses import Cause
from bridge.metrics import Machine, render, resident_bytes
from tests.bridge.test_health import COUNTS, PUBLISHING, WELL

MACHINE = Machine((Space("/session", 900, 1000), Space("/messages", 800, 1000)), 70_000_000)
NUMBER = "27820000001"


def figures(facts: Facts) -> dict[tuple[str, ...], float]:
    """Each sample by its name and the values of its labels, as Prometheus reads them."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(render(facts, MACHINE).decode())
        for sample in family.samples
    }


def test_every_part_of_the_health_is_a_figure() -> None:
    """What /health says in a word, /metrics says in a label, fit or not."""
    facts = replace(WELL, connection=Connection(word=Word.DISCONNECTED, reason="lost"))
    seen = figures(facts)
    for part in judge(facts).parts:
        assert seen["twinbridge_health_part", part.name, part.word] == part.ok
    assert seen["twinbridge_health_ok",] == 0
    assert seen["twinbridge_connected",] == 0
    assert figures(WELL)["twinbridge_health_ok",] == 1


def test_counts_are_those_of_the_store_and_the_publisher() -> None:
    """Losses, backlog and what waits for Postgres each keep their own figure."""
    counts = replace(
        COUNTS,
        detected_losses=1,
        suspected_losses=2,
        placeholders=3,
        unparsed=4,
        backlog=5,
        wal_bytes=6,
        last_captured_at_ms=1_500,
    )
    publishing = replace(PUBLISHING, pending=8, parked=9)
    seen = figures(replace(WELL, store=StoreFacts(counts, None, 0.0), publishing=publishing))
    assert {name[0].removeprefix("twinbridge_"): value for name, value in seen.items()}.items() >= {
        "messages": 7,
        "losses_detected": 1,
        "losses_suspected": 2,
        "placeholders": 3,
        "unparsed_events": 4,
        "backlog_events": 5,
        "wal_bytes": 6,
        "last_captured_timestamp_seconds": 1.5,
        "publish_pending_rows": 8,
        "publish_parked_rows": 9,
        "process_resident_memory_bytes": 70_000_000,
    }.items()
    assert seen["twinbridge_disk_free_bytes", "session"] == 900
    assert seen["twinbridge_disk_size_bytes", "messages"] == 1000


def test_losses_are_figures_by_their_cause() -> None:
    """So that a rule can be made for the one that means a new version of the client."""
    causes = (Cause("suspected", "line not known", 2),)
    seen = figures(replace(WELL, store=StoreFacts(COUNTS, None, 0.0, causes)))
    assert seen["twinbridge_losses", "line not known", "suspected"] == 2


def test_what_is_not_known_is_left_out() -> None:
    """A store that cannot be read has no figures: a zero would say that nothing is missing."""
    seen = figures(replace(WELL, store=StoreFacts(None, "disk I/O error", 0.0)))
    assert ("twinbridge_losses_detected",) not in seen
    assert ("twinbridge_messages",) not in seen
    assert seen["twinbridge_health_part", "store", "unavailable"] == 0
    assert ("twinbridge_last_captured_timestamp_seconds",) not in figures(WELL)


def test_no_number_and_no_address_gets_in() -> None:
    """A reason may speak of a number, a group or an address; the figures carry no reason."""
    said = f"from {NUMBER} in 120363000000000001@g.us"
    facts = replace(
        WELL,
        connection=Connection(word=Word.DISCONNECTED, reason=said),
        account=replace(WELL.account, ok=False, word="wrong", reason=said),
        store=StoreFacts(None, said, 0.0),
        publishing=replace(PUBLISHING, ok=False, word="failing", reason=said),
        hearing=replace(WELL.hearing, ok=False, word="deaf", reason=said),
        absent_from=(said,),
        nobody_in=(said,),
    )
    text = render(facts, MACHINE).decode()
    assert "@" not in text
    assert not re.search(r"\d{8,}", text)


def test_the_memory_is_that_of_this_process() -> None:
    """The figure is in bytes: a Python process holds more than a megabyte and less than all."""
    assert 1_000_000 < resident_bytes() < 100_000_000_000
