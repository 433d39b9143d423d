"""What is ours of GeoNode: its databases in our PostGIS, and a start that keeps its passwords to itself."""

from __future__ import annotations

import configparser
import os
import subprocess
from pathlib import Path

import psycopg
import pytest
from postgres_support import PROGRAMS, PostgresServer

from .conftest import EXTRAS

GEONODE = EXTRAS / "geonode"
START = """#!/bin/bash
set -e
echo POSTGRES_USER=$POSTGRES_USER
echo POSTGRES_PASSWORD=$POSTGRES_PASSWORD
  echo DATABASE_URL=$DATABASE_URL
if true; then
    echo GEODATABASE_URL="${GEODATABASE_URL}"
fi
echo SITEURL=$SITEURL
exec $@
"""


def make_databases(postgres: PostgresServer, **passwords: str) -> subprocess.CompletedProcess[str]:
    where = {"PGHOST": "127.0.0.1", "PGPORT": str(postgres.port), "PGUSER": "postgres"}
    path = f"{PROGRAMS}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", GEONODE / "databases.sh"],
        env={"PATH": path, **where, **passwords},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_databases_are_made_once_and_passwords_each_time(postgres: PostgresServer) -> None:
    stored = []
    for password in ("first", 'it\'s "another"'):
        done = make_databases(postgres, GEONODE_DATABASE_PASSWORD=password, GEONODE_GEODATABASE_PASSWORD="data")
        assert done.returncode == 0, done.stderr
        assert password not in done.stdout + done.stderr
        with psycopg.connect(postgres.url("geonode", "geonode")) as connection:
            assert connection.execute("select postgis_lib_version()").fetchone()
            connection.execute("create table if not exists kept (id int)")
        with psycopg.connect(postgres.url()) as connection:
            rows = connection.execute("select rolpassword, rolsuper, rolcreatedb, rolconnlimit from pg_authid where rolname = 'geonode'")
            row = rows.fetchone()
            assert row is not None and row[1:] == (False, False, 20)
            stored.append(row[0])
    assert len(set(stored)) == 2
    with psycopg.connect(postgres.url("geonode", "geonode")) as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (0,)
    for role, database in (("geonode", "geonode_data"), ("geonode_data", "geonode")):
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            psycopg.connect(postgres.url(database, role))


def test_a_missing_password_stops_it(postgres: PostgresServer) -> None:
    done = make_databases(postgres, GEONODE_DATABASE_PASSWORD="x")
    assert done.returncode != 0 and "run cartulary init" in done.stderr


def quiet(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", GEONODE / "quiet-entrypoint.sh", path], capture_output=True, text=True, timeout=20, check=False)


def test_the_start_prints_no_password(tmp_path: Path) -> None:
    script = tmp_path / "entrypoint.sh"
    script.write_text(START, encoding="utf-8")
    assert quiet(script).returncode == 0
    given = {name: f"a-secret-{name}" for name in ("POSTGRES_PASSWORD", "DATABASE_URL", "GEODATABASE_URL")}
    environment = {"PATH": os.environ["PATH"], "SITEURL": "https://geonode.example.org/", **given}
    done = subprocess.run(["bash", script, "echo", "started"], env=environment, capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.splitlines() == ["POSTGRES_USER=", "SITEURL=https://geonode.example.org/", "started"]


def test_a_start_that_breaks_by_it_breaks_the_build(tmp_path: Path) -> None:
    script = tmp_path / "entrypoint.sh"
    script.write_text("#!/bin/bash\nif true; then\n  echo $DATABASE_URL\n", encoding="utf-8")
    assert quiet(script).returncode != 0


def test_uwsgi_stays_small_and_writes_no_file() -> None:
    parser = configparser.ConfigParser(strict=False, comment_prefixes=(";",))
    parser.read(GEONODE / "uwsgi.ini")
    given = parser["uwsgi"]
    assert int(given["processes"]) <= 4 and int(given["cheaper"]) < int(given["processes"])
    # Workers that may grow to this and no further stay below the container's limit together.
    assert int(given["processes"]) * int(given["reload-on-rss"]) <= 2048
    assert "logto" not in given and "daemonize" not in given
