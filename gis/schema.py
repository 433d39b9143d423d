"""The tables, comments, roles and grants of the mirror: made once, later only added to, so that readers never lose theirs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from sqlalchemy import Column, MetaData, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable, DDLElement, SetColumnComment, SetTableComment

from gis.mirror import Connection, read_sql
from gis.tables import PUBLIC, RESTRICTED
from services.errors import PublishError
from services.settings import PostgisSettings

# Named parameters: with others the dialect doubles each % of a comment.
DIALECT = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
# Rows that were there before a column was added: the sync that added it writes them all.
NEUTRAL = {"TEXT": "''", "SMALLINT": "0", "BIGINT": "0", "DOUBLE PRECISION": "0", "DATE": "'1970-01-01'"}


def identifier(table: Table) -> sql.Identifier:
    """schema.table"""
    return sql.Identifier(str(table.schema), table.name)


def is_there(connection: Connection, table: Table) -> bool:
    """Whether PostgreSQL has the table."""
    row = connection.execute("select to_regclass(%s) is not null", (f"{table.schema}.{table.name}",)).fetchone()
    return bool(row and row[0])


def prepare(connection: Connection, settings: PostgisSettings) -> None:
    """The extension, schemas, roles and the mirror's own journal; PublishError names what the role may not make."""
    if not connection.execute("select 1 from pg_extension where extname = 'postgis'").fetchone():
        _allowed(connection, "create extension postgis", "Let a superuser run: create extension postgis")
    for schema in (PUBLIC.schema, RESTRICTED.schema):
        if not connection.execute("select 1 from pg_namespace where nspname = %s", (schema,)).fetchone():
            statement = sql.SQL("create schema {}").format(sql.Identifier(str(schema)))
            _allowed(connection, statement, f"Let the database's owner run: create schema {schema}")
    for role in (settings.public_role, settings.restricted_role):
        if not connection.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone():
            statement = sql.SQL("create role {} nologin").format(sql.Identifier(role))
            _allowed(connection, statement, f"Let a superuser run: create role {role} nologin")
    connection.execute(read_sql("journal"))


def create(connection: Connection, table: Table, *, has_key: bool) -> None:
    """Make the table, without its index and, if so wished, without its key: rows first is several times as fast."""
    elements = CreateTable(table) if has_key else CreateTable(Table(table.name, MetaData(schema=table.schema), *map(_plain, table.columns)))
    connection.execute(_compiled(elements))


def index(connection: Connection, table: Table, *, has_key: bool) -> None:
    """Make the GiST index and the comments, and the key when `create` did not."""
    if not has_key:
        connection.execute(_compiled(AddConstraint(table.primary_key, isolate_from_table=False)))
    for item in table.indexes:
        connection.execute(_compiled(CreateIndex(item)))
    describe(connection, table)


def _plain(column: Column[Any]) -> Column[Any]:
    return Column(column.name, column.type, nullable=column.nullable)


def bring_up(connection: Connection, tables: Iterable[Table]) -> None:
    """Give the tables that are there the columns and comments of today."""
    for table in tables:
        if is_there(connection, table):
            _add_columns(connection, table)
            describe(connection, table)


def _add_columns(connection: Connection, table: Table) -> None:
    """Add the columns that the table lacks. The one statement that readers keep waiting: short, and it gives up after the lock's time."""
    known = connection.execute(
        "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped",
        (f"{table.schema}.{table.name}",),
    ).fetchall()
    missing = [column for column in table.columns if (column.name,) not in known]
    if missing:
        parts = [sql.SQL(f"add column {_definition(column)}") for column in missing]
        connection.execute(sql.SQL("alter table {} {}").format(identifier(table), sql.SQL(", ").join(parts)))


def describe(connection: Connection, table: Table) -> None:
    """Set the comments that differ from dbt's descriptions."""
    name = f"{table.schema}.{table.name}"
    rows = connection.execute(
        "select coalesce(attname, ''), description from pg_description "
        "left join pg_attribute on attrelid = objoid and attnum = objsubid and attnum > 0 "
        "where classoid = 'pg_class'::regclass and objoid = %s::regclass",
        (name,),
    ).fetchall()
    known: dict[str, str] = dict(rows)
    if known.get("") != table.comment:
        connection.execute(_compiled(SetTableComment(table)))
    for column in table.columns:
        if known.get(column.name) != column.comment:
            connection.execute(_compiled(SetColumnComment(column)))


def grant(connection: Connection, tables: Iterable[Table], settings: PostgisSettings) -> None:
    """Let the roles read: the restricted one everything, the public one `public_map` alone."""
    for table in tables:
        roles = (settings.restricted_role,) if table.metadata is RESTRICTED else (settings.public_role, settings.restricted_role)
        for role in roles:
            may = "select has_schema_privilege(%s, %s, 'usage') and has_table_privilege(%s, %s::regclass, 'select')"
            if connection.execute(may, (role, table.schema, role, f"{table.schema}.{table.name}")).fetchone() == (True,):
                continue
            reader = sql.Identifier(role)
            connection.execute(sql.SQL("grant usage on schema {} to {}").format(sql.Identifier(str(table.schema)), reader))
            connection.execute(sql.SQL("grant select on {} to {}").format(identifier(table), reader))


def type_of(column: Column[Any]) -> str:
    """The column's type as PostgreSQL spells it."""
    return column.type.compile(DIALECT)


def _definition(column: Column[Any]) -> str:
    name, kind = DIALECT.identifier_preparer.quote(column.name), type_of(column)
    return f"{name} {kind}" if column.nullable else f"{name} {kind} not null default {NEUTRAL[kind]}"


def _compiled(element: DDLElement) -> sql.SQL:
    return sql.SQL(str(element.compile(dialect=DIALECT)))


def _allowed(connection: Connection, statement: LiteralString | sql.Composed, otherwise: str) -> None:
    try:
        connection.execute(statement)
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile) as error:
        raise PublishError(f"The map mirror cannot be made: {str(error).splitlines()[0]}. {otherwise}") from error
    except (psycopg.errors.DuplicateObject, psycopg.errors.DuplicateSchema, psycopg.errors.UniqueViolation):
        return  # somebody else was quicker
