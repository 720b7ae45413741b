"""A bridge's /health, written and read back."""

import json

import pytest

from contracts.bridge_health import BridgeHealth, Ears, parse_bridge_health
from contracts.health import Part, Verdict

DEAF = BridgeHealth(
    "backup",
    Verdict(False, "down", (Part("hearing", False, "deaf", "3 messages are missing"),)),
    Ears(connected_s=61.5, queue_ended=True, live_age_s=4.0, lacks=3),
)


@pytest.mark.parametrize("ears", [DEAF.ears, Ears(None, False, None, 0)])
def test_what_a_bridge_says_is_what_is_read(ears: Ears) -> None:
    """Verdict, parts and ears survive the wire, also those that are not known."""
    written = BridgeHealth(DEAF.bridge, DEAF.verdict, ears)
    assert parse_bridge_health(json.dumps(written.to_json()).encode()) == written


def test_the_field_finds_connected_where_it_was() -> None:
    """Scripts look at `connected` and `status`."""
    said = DEAF.to_json()
    assert (said["connected"], said["status"]) == (True, "down")
    assert (
        BridgeHealth("b", DEAF.verdict, Ears(None, False, None, 0)).to_json()["connected"] is False
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"404: Not Found",
        b"[]",
        b'{"status": "ok", "ok": true, "parts": []}',
        json.dumps(DEAF.to_json() | {"ears": {"connected_s": 1}}).encode(),
        json.dumps(DEAF.to_json() | {"ears": {**DEAF.to_json(), "connected_s": "long"}}).encode(),
        json.dumps(DEAF.to_json() | {"parts": [{"name": "store"}]}).encode(),
    ],
)
def test_what_is_no_answer_of_a_bridge_is_refused(body: bytes) -> None:
    """An older bridge, a proxy's page, or half an answer must not be taken for a fit one."""
    with pytest.raises(ValueError, match="not an answer of a bridge's /health"):
        parse_bridge_health(body)
