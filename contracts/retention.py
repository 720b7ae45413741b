"""config/stack.yaml, section `retention`: written by people, read by the bridges.

How long messages are kept, and how much each volume may hold before somebody is told.
"""

from dataclasses import dataclass

from contracts.entries import Entry

AT_LEAST_BEYOND_DAYS = 1
"""By how much messages outlive the horizon: what is acted on must still be there."""


@dataclass(frozen=True, slots=True)
class Retention:
    """Ages in days, budgets in MiB."""

    messages_days: int
    messages_mib: int
    session_mib: int
    logs_mib: int

    def short_of(self, horizon_days: int) -> str | None:
        """Why this does not go with the horizon of projects.yaml, or None."""
        least = horizon_days + AT_LEAST_BEYOND_DAYS
        if self.messages_days >= least:
            return None
        return f"must be at least {least}: messages outlive horizon_days ({horizon_days})"


def read_retention(entry: Entry) -> Retention:
    """Read the section; what is wrong is noted in the file's problems."""
    retention = Retention(
        messages_days=entry.number("messages_days", 400, 2, 36_500),
        messages_mib=entry.number("messages_mib", 4_096, 64, 1_048_576),
        session_mib=entry.number("session_mib", 512, 16, 1_048_576),
        logs_mib=entry.number("logs_mib", 512, 50, 1_048_576),
    )
    entry.close()
    return retention
