"""Which mentions are worth bringing to the ledger: those that change it, no others."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.ledger import Mention, encode_mentions

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ROW = """
SELECT project, sent_at, author_lid, author_pn, user_name, contradicted, withdrawn, as_of, as_of_id,
       held_back, applied_at IS NULL FROM public.drop_mentions ORDER BY message_id
"""

moments = st.integers(0, 2).map(lambda minutes: NOON + timedelta(minutes=minutes))
digits = st.sampled_from([None, "", "27820000050", "27820000051"])
copies = st.builds(
    Mention,
    drop_number=st.just("DR1000001"),
    chat=st.just("120363000000000001@g.us"),
    message_id=st.sampled_from(["M1", "M2"]),
    project=st.sampled_from(["Lawley", "Mohadin"]),
    sent_at=moments,
    as_of=moments,
    as_of_id=st.sampled_from(["M1", "e1", "e2"]),
    author_lid=digits,
    author_pn=digits,
    user_name=st.sampled_from([None, "", "Anna", "anna", "Ben"]),
    withdrawn=st.booleans(),
    held_back=st.booleans(),
)


@pytest.fixture(scope="module")
def ledger(
    postgres: str, migrated_template: str
) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
    """One database for all examples; each of them is rolled back."""
    name = f"{migrated_template}_lacking"
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{migrated_template}"'.encode())
        try:
            with psycopg.connect(f"{postgres.rpartition('/')[0]}/{name}") as connection:
                yield connection
        finally:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@given(known=st.lists(copies, max_size=4), copy=copies)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_mention_is_lacking_exactly_if_it_changes_the_ledger(
    ledger: "psycopg.Connection[tuple[Any, ...]]", known: list[Mention], copy: Mention
) -> None:
    """Whatever copies the ledger has merged, the answer is what recording would show."""
    with ledger.transaction(force_rollback=True):
        for one in known:
            _record(ledger, one)
        before = ledger.execute(ROW).fetchall()
        lacking = ledger.execute(
            "SELECT message_id FROM public.lacking_mentions(%s::jsonb)", (encode_mentions([copy]),)
        ).fetchall()
        _record(ledger, copy)
        changed = ledger.execute(ROW).fetchall() != before
        assert bool(lacking) == changed
        again = ledger.execute(
            "SELECT message_id FROM public.lacking_mentions(%s::jsonb)", (encode_mentions([copy]),)
        ).fetchall()
        assert again == [], "what was recorded is not lacking"


def _record(ledger: "psycopg.Connection[tuple[Any, ...]]", mention: Mention) -> None:
    ledger.execute(
        "SELECT public.record_mentions('primary', %s::jsonb)", (encode_mentions([mention]),)
    )
