"""One connection as every verb needs it: bounded in time, without state a pooler would lose."""

import logging
from collections.abc import Callable
from typing import Any

import psycopg

from contracts.database_url import DatabaseAddress, parse_database_url

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5


def connect(address: DatabaseAddress) -> psycopg.Connection[tuple[Any, ...]]:
    """Open a connection in autocommit mode; raises psycopg.OperationalError.

    No statement is prepared, since a pooler in transaction mode may run the next one elsewhere.
    """
    return psycopg.connect(
        address.url,
        autocommit=True,
        prepare_threshold=None,
        connect_timeout=CONNECT_TIMEOUT_S,
        application_name="twinbridge-database",
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
    )


def address_of(source: Callable[[], str]) -> DatabaseAddress:
    """Read and clean the URL, and say where it points; raises OSError and ValueError."""
    address = parse_database_url(source())
    if address.removed:
        log.info(
            "parameters of the database URL left out",
            extra={"parameters": ",".join(address.removed)},
        )
    log.info("database", extra={"host": address.host, "database": address.database})
    return address
