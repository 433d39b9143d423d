"""A Postgres database into one file by pg_dump, and back by pg_restore; and a hash of what its tables hold."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from services.backup.contents import Content, Contents
from services.errors import BackupError, ConfigurationError

Connection = psycopg.Connection[tuple[Any, ...]]
# Where Debian and Postgres' own images keep what is not on the PATH.
INSTALLED = Path("/usr/lib/postgresql")
SHOWN = 300
# Longer than any database of this platform takes, and well before the next night's backup.
LIMIT_SECONDS = 6 * 3600
# Of a server that is gone without a word the system would hear for hours: here after two minutes.
ALIVE = {"keepalives_idle": "60", "keepalives_interval": "10", "keepalives_count": "6"}
# Tables of people, not those that an extension brings; rows of a parted table are in its parts.
TABLES: LiteralString = """
select namespace.nspname, class.relname
from pg_class as class
inner join pg_namespace as namespace on namespace.oid = class.relnamespace
where
    class.relkind = 'r'
    and namespace.nspname not like 'pg\\_%%'
    and namespace.nspname <> 'information_schema'
    and has_schema_privilege(namespace.oid, 'usage')
    and has_table_privilege(class.oid, 'select')
    and not exists (select 1 from pg_depend where classid = 'pg_class'::regclass and objid = class.oid and deptype = 'e')
order by 1, 2
"""
# md5 is the same in all versions and on all machines, whatever else hashes are.
CONTENT: LiteralString = """
select count(*), coalesce(sum(('x' || left(md5(the_whole_row::text), 16))::bit(64)::bigint::numeric), 0)::text
from {} as the_whole_row
"""
SPELLING: tuple[LiteralString, ...] = (
    "set timezone = 'UTC'",
    "set datestyle = 'ISO'",
    "set intervalstyle = 'postgres'",
    "set bytea_output = 'hex'",
    "set extra_float_digits = 1",
    "set lock_timeout = '60s'",
)
# Every database has this schema; where somebody changed its rights, a dump would want to make it.
PUBLIC_SCHEMA = r"SCHEMA - public |SCHEMA public "
EXTENSIONS = r" EXTENSION - | EXTENSION [a-z_]+ "


def program(name: str) -> Path:
    """Where pg_dump or pg_restore is, the newest one; ConfigurationError when nowhere."""
    installed = sorted(INSTALLED.glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    if installed:
        return installed[-1]
    if found := shutil.which(name):
        return Path(found)
    raise ConfigurationError(f"{name} is not installed here: apt-get install postgresql-client, not older than the server.")


def dump(url: str, path: Path, options: Sequence[str] = (), *, limit_seconds: float = LIMIT_SECONDS) -> None:
    """Write the database of this libpq URL into a file; BackupError says what pg_dump objected to, or that it did not end in time."""
    arguments = ["--format=custom", "--no-owner", "--lock-wait-timeout=60000", f"--file={path}", *options]
    _run("pg_dump", url, arguments, limit_seconds)


def restore(url: str, path: Path, options: Sequence[str] = (), *, left_out: str = "") -> None:
    """Bring a dump back in one transaction: all of it or nothing. Entries of its list that match `left_out` stay away."""
    with tempfile.TemporaryDirectory(prefix="cartulary-") as folder:
        listing = Path(folder) / "entries"
        lines = entries(path)
        listing.write_text("\n".join(line for line in lines if not (left_out and re.search(left_out, line))) + "\n", encoding="utf-8")
        _run("pg_restore", url, ["--single-transaction", "--no-owner", f"--use-list={listing}", *options, str(path)])


def entries(path: Path) -> list[str]:
    """The list of what a dump holds; BackupError when it is none."""
    return _run("pg_restore", "", ["--list", str(path)]).splitlines()


@contextmanager
def connected(url: str, name: str) -> Iterator[Connection]:
    """A connection whose statements may take as long as they do; `name` says in errors which database it is."""
    try:
        where = make_conninfo(**_parameters(url))
        with psycopg.connect(where, connect_timeout=10, autocommit=True, application_name="cartulary backup") as connection:
            for setting in SPELLING:
                connection.execute(setting)
            yield connection
    except psycopg.ProgrammingError as error:
        if error.sqlstate is None:  # the library's message repeats the URL with its password
            raise ConfigurationError(f"{name} is no libpq URL: postgresql://user:password@host:5432/name") from None
        raise BackupError(f"{name}: {error.diag.message_primary}") from error
    except psycopg.Error as error:
        raise BackupError(f"{name}: {' '.join(str(error).split())}", retryable=True) from error


def save_database(url: str, name: str, path: Path, options: Sequence[str] = ()) -> Contents:
    """Dump a database and say what its tables held at that moment."""
    with connected(url, name) as connection, connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        snapshot = _value(connection, "select pg_export_snapshot()")
        dump(url, path, ["--snapshot", snapshot, *options])
        return contents(connection)


def restore_database(url: str, name: str, path: Path) -> Contents:
    """Put a dump in the place of all tables that the database has; returns what it holds then."""
    with connected(url, name) as connection:
        known = [re.escape(str(row[0])) for row in connection.execute("select extname from pg_extension").fetchall()]
        drop_tables(connection)
    present = f" EXTENSION (- )?({'|'.join(known)}) "  # who made an extension may be somebody else
    restore(url, path, ["--clean", "--if-exists", "--no-privileges"], left_out=f"{PUBLIC_SCHEMA}|{present}")
    with connected(url, name) as connection:
        return contents(connection)


def contents(connection: Connection) -> Contents:
    """Rows and hash of every table that is nobody's extension."""
    result: Contents = {}
    for schema, table in connection.execute(TABLES).fetchall():
        row = connection.execute(sql.SQL(CONTENT).format(sql.Identifier(schema, table))).fetchone()
        result[f"{schema}.{table}"] = Content(int(row[0]), str(row[1])) if row else Content(0, "")
    return result


def others(connection: Connection) -> list[str]:
    """Names of the other programs that are connected to this database under the same role."""
    rows = connection.execute(
        "select distinct coalesce(nullif(application_name, ''), 'a program without a name') from pg_stat_activity "
        "where datname = current_database() and usename = current_user and pid <> pg_backend_pid() "
        "and backend_type = 'client backend' order by 1"
    )
    return [str(row[0]) for row in rows.fetchall()]


def drop_tables(connection: Connection) -> None:
    """Drop all tables and enumerated types of the database that no extension owns."""
    for schema, table in connection.execute(TABLES).fetchall():
        connection.execute(sql.SQL("drop table if exists {} cascade").format(sql.Identifier(schema, table)))
    enumerated = connection.execute(
        "select nspname, typname from pg_type inner join pg_namespace on pg_namespace.oid = typnamespace where typtype = 'e' "
        "and not exists (select 1 from pg_depend where classid = 'pg_type'::regclass and objid = pg_type.oid and deptype = 'e')"
    )
    for schema, name in enumerated.fetchall():
        connection.execute(sql.SQL("drop type if exists {} cascade").format(sql.Identifier(schema, name)))


def _value(connection: Connection, query: LiteralString) -> Any:
    row = connection.execute(query).fetchone()
    return row[0] if row else None


def _parameters(url: str) -> dict[str, str]:
    return ALIVE | {key: str(value) for key, value in conninfo_to_dict(url).items()}


def _run(name: str, url: str, arguments: Sequence[str], limit_seconds: float = LIMIT_SECONDS) -> str:
    """Run one of Postgres' programs; the password is told in the environment, which other users do not see."""
    known = _parameters(url) if url else {}
    secret = {"PGPASSWORD": known.pop("password")} if "password" in known else {}
    where = ["--dbname", make_conninfo(**known)] if url else []
    try:
        done = subprocess.run(  # noqa: S603  our own arguments, no shell
            [str(program(name)), *where, *arguments],
            env={**_environment(), **secret, "PGCONNECT_TIMEOUT": "10"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=limit_seconds,
        )
    except subprocess.TimeoutExpired:  # its message repeats the command
        raise BackupError(
            f"{name} was stopped, since it had not ended after {limit_seconds / 3600:g} hours: look whether the database server answers "
            "and what pg_stat_activity says of locks, then run the same command again.",
            retryable=True,
        ) from None
    if done.returncode:
        said = " ".join(done.stderr.split())
        raise BackupError(f"{name} failed: {said[:SHOWN]}", retryable="connection" in said)
    return done.stdout


def _environment() -> dict[str, str]:
    """No variable of ours, whose secrets are nobody's business, and none that changes what Postgres' programs do."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
