"""A state database that another version made."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import Column, Index, Integer, MetaData, String, Table, inspect, text

from services.errors import ConfigurationError
from services.settings import Settings
from services.state import schema
from services.state.state import State


def test_columns_and_indexes_that_came_later_are_added(state_settings: Settings, now: datetime) -> None:
    older = State.open(state_settings)
    older.work.add("extract", ["a"], now=now)
    with older.database.writing() as connection:
        connection.execute(text("drop index work_by_state"))
        connection.execute(text("alter table work drop column lease_until"))
    older.close()
    newer = State.open(state_settings)
    assert [item.key for item in newer.work.claim("extract", limit=1, owner="me", lease_seconds=60, now=now)] == ["a"]
    assert [index["name"] for index in inspect(newer.database.engine).get_indexes("work")] == ["work_by_state"]
    newer.close()


def test_a_column_with_a_default_is_added_to_the_rows_that_are_there(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(*later: Column[object] | Index) -> MetaData:
        found = MetaData()
        Table("notes", found, Column("note_id", Integer, primary_key=True), *later)
        return found

    with state.database.writing() as connection:
        monkeypatch.setattr(schema, "metadata", version())
        schema.prepare(connection)
        connection.execute(text("insert into notes values (1)"))
        monkeypatch.setattr(schema, "metadata", version(Column("language", String(2), nullable=False, server_default="de")))
        schema.prepare(connection)
        schema.prepare(connection)
        assert connection.execute(text("select note_id, language from notes")).all() == [(1, "de")]


def test_a_column_that_cannot_be_added_is_said_so(state_settings: Settings, now: datetime) -> None:
    other = State.open(state_settings)
    other.work.add("extract", ["a"], now=now)
    with other.database.writing() as connection:
        connection.execute(text("alter table work drop column attempts"))
    other.close()
    with pytest.raises(ConfigurationError, match=r"work\.attempts is missing"):
        State.open(state_settings)
