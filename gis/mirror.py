"""The connection to PostGIS: timeouts, retries, errors as ours, one sync at a time, and what the mirror remembers of itself."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from services.errors import ConfigurationError, PublishError
from services.settings import PostgisSettings
from services.tracing import current_run_id

MIRROR_SQL = Path(__file__).with_name("sql") / "mirror"
Connection = psycopg.Connection[tuple[Any, ...]]

CONNECT_SECONDS = 10
ATTEMPTS = 3
# Nobody is kept waiting for us, and we wait for nobody longer than this.
LOCK_SECONDS = 5
SYNC_STATEMENT_TIMEOUT = "6h"
# Any number, the same in every process: who holds it syncs.
ADVISORY_LOCK = 0x63617274
# Classes of SQLSTATE after which the same may succeed: connection, rollback by conflict, resources, object in use, operator.
RETRYABLE_CLASSES = ("08", "40", "53", "55", "57")


@dataclass(frozen=True)
class MirrorState:
    """Which gold the mirror shows, and which layers changed since `published_version` of the map server's layers."""

    gold_version: str
    published_version: str
    unpublished: tuple[str, ...]


def read_sql(name: str, **parts: sql.Composable) -> sql.Composed:
    """The statement of that name, with these identifiers and expressions in it."""
    return sql.SQL((MIRROR_SQL / f"{name}.sql").read_text(encoding="utf-8")).format(**parts)


@contextmanager
def open_mirror(settings: PostgisSettings, sleep: Callable[[float], None] = time.sleep) -> Iterator[Connection]:
    """A connection in autocommit; PublishError (retryable when PostGIS is away) instead of the vendor's errors."""
    connection = _connect(settings, sleep)
    try:
        with connection, postgis_errors("PostGIS refused a statement"):
            yield connection
    finally:
        connection.close()


@contextmanager
def only_sync(connection: Connection) -> Iterator[None]:
    """Let one process sync at a time; PublishError when another one does. A process that dies lets go of it with its connection."""
    if not _value(connection, "select pg_try_advisory_lock(%s)", ADVISORY_LOCK):
        raise PublishError("Another process is filling the map mirror: what it leaves is taken up by the next run.", retryable=True)
    # A first fill of millions of rows is one statement, and on a small machine takes its time. Locks are still waited for shortly only.
    connection.execute("select set_config('statement_timeout', %s, false)", (SYNC_STATEMENT_TIMEOUT,))
    try:
        yield
    finally:
        if not connection.closed and not connection.broken:
            connection.execute("select pg_advisory_unlock(%s)", (ADVISORY_LOCK,))


def mirror_state(connection: Connection) -> MirrorState | None:
    """What the mirror remembers; None before the first sync."""
    if not _value(connection, "select to_regclass('map_mirror.state') is not null"):
        return None
    row = connection.execute("select gold_version, published_version, unpublished from map_mirror.state").fetchone()
    return MirrorState(row[0], row[1], tuple(row[2])) if row else None


def write_state(connection: Connection, gold_version: str, changed: Collection[str], now: datetime) -> None:
    """Remember in the transaction of a sync which gold the mirror shows from its end on."""
    connection.execute(
        "insert into map_mirror.state as state (gold_version, unpublished, run_id, synced_at) "
        "values (%(version)s, %(changed)s, %(run)s, %(now)s) on conflict (is_only) do update set "
        "gold_version = excluded.gold_version, run_id = excluded.run_id, synced_at = excluded.synced_at, "
        "unpublished = array(select distinct unnest(state.unpublished || excluded.unpublished) order by 1)",
        {"version": gold_version, "changed": sorted(changed), "run": current_run_id(), "now": now},
    )


def write_published(connection: Connection, state: MirrorState, published_version: str) -> None:
    """Remember that the map server was told of this state; a sync that came meanwhile stays untold."""
    connection.execute(
        "update map_mirror.state set published_version = %s, unpublished = '{}' where gold_version = %s and unpublished = %s",
        (published_version, state.gold_version, list(state.unpublished)),
    )


@contextmanager
def postgis_errors(doing: str) -> Iterator[None]:
    """Turn psycopg's errors into PublishError; retryable by the class of their SQLSTATE, and when the connection is gone."""
    try:
        yield
    except psycopg.Error as error:
        is_gone = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and error.sqlstate is None
        retryable = is_gone or (error.sqlstate or "").startswith(RETRYABLE_CLASSES)
        raise PublishError(
            f"{doing}: {error.diag.message_primary or ' '.join(str(error).split())}. The map mirror is as it was.", retryable=retryable
        ) from error


def _connect(settings: PostgisSettings, sleep: Callable[[float], None]) -> Connection:
    milliseconds = int(settings.timeout_seconds * 1000)
    # A sync picks rows from pages that it has just read: were they as dear as on a disk, PostgreSQL would read all of them again.
    options = f"-c statement_timeout={milliseconds} -c lock_timeout={LOCK_SECONDS * 1000} -c timezone=UTC -c random_page_cost=1.1"
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return psycopg.connect(
                settings.url.get_secret_value(),
                autocommit=True,
                connect_timeout=CONNECT_SECONDS,
                application_name=f"cartulary {current_run_id()}".strip()[:63],
                options=options,
                keepalives_idle=30,
                # A server that vanished is noticed, although nothing closes the connection.
                tcp_user_timeout=milliseconds,
            )
        except psycopg.ProgrammingError:
            # The library's message repeats the URL with its password.
            raise ConfigurationError("CARTULARY_POSTGIS__URL is no libpq URL: postgresql://user:password@host:5432/gis") from None
        except psycopg.OperationalError as error:
            # Class 28: a wrong password or user does not get better; class 3D: no such database.
            is_final = any(word in str(error) for word in ("authentication failed", "does not exist", "no pg_hba.conf entry"))
            if is_final or attempt == ATTEMPTS:
                reason = " ".join(str(error).split())
                raise PublishError(f"PostGIS does not let us in: {reason}", retryable=not is_final) from error
        sleep(0.5 * 2**attempt * random.uniform(0.5, 1))  # noqa: S311  jitter
    raise AssertionError("unreachable")


def _value(connection: Connection, query: LiteralString, *parameters: object) -> Any:
    row = connection.execute(query, parameters).fetchone()
    return row[0] if row else None
