"""What the simulator is told by its environment; nothing else reads it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Settings:
    """Directories, ports, and how much to log."""

    state: Path
    trust: Path
    port: int
    api_port: int
    log_level: str

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """SIMULATOR_STATE, SIMULATOR_TRUST, SIMULATOR_PORT, SIMULATOR_API_PORT, LOG_LEVEL."""
        return cls(
            state=Path(environment.get("SIMULATOR_STATE", "/state")),
            trust=Path(environment.get("SIMULATOR_TRUST", "/trust")),
            port=int(environment.get("SIMULATOR_PORT", "443")),
            api_port=int(environment.get("SIMULATOR_API_PORT", "8090")),
            log_level=environment.get("LOG_LEVEL", "INFO").upper(),
        )
