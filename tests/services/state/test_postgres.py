"""What Postgres alone can do to the state: restarts, locks of others, names of connections."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from postgres_support import PostgresServer, free_port
from pydantic import SecretStr

from services.errors import StateError
from services.settings import Settings, StateSettings
from services.state.state import State
from services.tracing import run_scope


def opened(url: str, tmp_path: Path) -> State:
    return State.open(Settings(_env_file=None, data_dir=tmp_path, state=StateSettings(url=SecretStr(url))))


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_urls_are_taken_as_libpq_and_as_sqlalchemy_write_them(postgres_database: str, tmp_path: Path, scheme: str) -> None:
    state = opened(postgres_database.replace("postgresql", scheme), tmp_path)
    assert state.database.engine.dialect.driver == "psycopg"
    assert state.work.counts() == {}
    state.close()


def test_a_restarted_server_costs_no_call(postgres: PostgresServer, postgres_state: State, now: datetime) -> None:
    postgres_state.work.add("extract", ["a"], now=now)
    postgres.execute("checkpoint")  # this server does not sync what it commits, and is stopped as if by a power cut
    postgres.stop()
    with pytest.raises(StateError, match="state database") as caught:
        postgres_state.work.counts()
    assert caught.value.retryable
    postgres.start()
    assert postgres_state.work.counts() == {"extract": {"pending": 1}}
    postgres.stop()
    postgres.start()
    with run_scope("another run"):
        assert postgres_state.work.outstanding() == 1, "the connections of before are replaced without an error"


def test_a_connection_that_breaks_in_a_transaction_loses_the_transaction_alone(postgres_state: State, now: datetime) -> None:
    state = postgres_state
    with pytest.raises(StateError) as caught, state.database.writing() as connection:
        connection.exec_driver_sql("insert into sessions values ('half', null, '[]', now(), now())")
        connection.exec_driver_sql("select pg_terminate_backend(pg_backend_pid())")
    assert caught.value.retryable
    with state.database.reading() as connection:
        assert connection.exec_driver_sql("select count(*) from sessions").scalar() == 0
    assert state.work.add("extract", ["a"], now=now) == 1


def test_a_server_that_is_not_there_is_a_retryable_error_and_no_password_is_told(tmp_path: Path) -> None:
    url = f"postgresql://someone:hidden-password@127.0.0.1:{free_port()}/name?sslpassword=hidden-too"
    started = time.monotonic()
    with pytest.raises(StateError, match="open the state database name at 127") as caught:
        opened(url, tmp_path)
    assert time.monotonic() - started < 5
    assert caught.value.retryable
    assert "hidden" not in str(caught.value)


def test_nobody_waits_for_ever_for_a_row_that_another_holds(postgres_database: str, tmp_path: Path, now: datetime) -> None:
    state = opened(postgres_database + "?options=-c%20lock_timeout%3D200ms", tmp_path)
    state.work.add("extract", ["a", "b"], now=now)
    with psycopg.connect(postgres_database) as other:
        other.execute("select * from work where key = 'a' for update")
        with pytest.raises(StateError, match="lock timeout") as caught:
            state.work.done("extract", ["a"], owner="me")
        assert caught.value.retryable
        claimed = state.work.claim("extract", limit=5, owner="me", lease_seconds=60, now=now)
        assert [item.key for item in claimed] == ["b"], "claims pass by what others hold"
    state.work.done("extract", ["a"], owner="me")
    state.close()


def test_connections_are_named_after_the_run(postgres_state: State) -> None:
    def name() -> object:
        with postgres_state.database.reading() as connection:
            return connection.exec_driver_sql("select application_name from pg_stat_activity where pid = pg_backend_pid()").scalar()

    assert name() == "cartulary"
    with run_scope("0123456789abcdef0123456789abcdef"):
        assert name() == "cartulary 0123456789abcdef0123456789abcdef"
    assert name() == "cartulary"
    with run_scope("x" * 100):
        assert name() == "cartulary " + "x" * 53


def test_times_are_utc_whatever_the_server_thinks(postgres: PostgresServer, postgres_database: str, tmp_path: Path, now: datetime) -> None:
    postgres.execute(f"alter database {postgres_database.rpartition('/')[2]} set timezone = 'Pacific/Chatham'")
    state = opened(postgres_database, tmp_path)
    state.api_keys.add("k", "name", ["read"], "hash", now)
    key = state.api_keys.get("k")
    assert key is not None and key.created_at == now and key.created_at.tzinfo is now.tzinfo
    state.close()
