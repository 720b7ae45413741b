"""GET /health of a bridge: written by each bridge, read by the failover, which compares their ears.

Beyond the verdict of contracts/health.py the body has `bridge`, and `ears`: what the bridge itself
knows of its hearing. POST /reconnect of a bridge answers 202 if it dials anew, 409 if it must not.
"""

import json
from dataclasses import asdict, dataclass

from contracts.health import Part, Verdict


@dataclass(frozen=True, slots=True)
class Ears:
    """What a bridge knows of its hearing; seconds are those of its own clock."""

    connected_s: float | None
    """For how long it has been connected without a break; None while it is not."""
    queue_ended: bool
    """Whether what the server kept while it was away has been delivered since it connected.

    A server that has not said so within a minute is taken to have nothing more.
    """
    live_age_s: float | None
    """Age of the newest message that the server had not kept for us; None if none since start."""
    lacks: int
    """Messages of the last 24 hours that a peer heard live and that are missing here."""


@dataclass(frozen=True, slots=True)
class BridgeHealth:
    """The answer of one bridge."""

    bridge: str
    verdict: Verdict
    ears: Ears

    def to_json(self) -> dict[str, object]:
        """The body; `connected` is what the field's own scripts look at."""
        return self.verdict.to_json() | {
            "bridge": self.bridge,
            "connected": self.ears.connected_s is not None,
            "ears": asdict(self.ears),
        }


def parse_bridge_health(body: bytes) -> BridgeHealth:
    """Read an answer, whatever its HTTP status; raises ValueError if it is not one."""
    try:
        said = json.loads(body)
        ears = said["ears"]
        return BridgeHealth(
            bridge=str(said["bridge"]),
            verdict=Verdict(
                said["ok"] is True,
                str(said["status"]),
                tuple(
                    Part(str(p["name"]), p["ok"] is True, str(p["word"]), str(p["reason"]))
                    for p in said["parts"]
                ),
            ),
            ears=Ears(
                connected_s=_age(ears["connected_s"]),
                queue_ended=ears["queue_ended"] is True,
                live_age_s=_age(ears["live_age_s"]),
                lacks=int(ears["lacks"]),
            ),
        )
    except (KeyError, TypeError, ValueError) as wrong:
        raise ValueError(f"not an answer of a bridge's /health: {wrong!r}") from wrong


def _age(seconds: float | str | None) -> float | None:
    return None if seconds is None else float(seconds)
