#!/bin/bash
# Runs once, when the volume is empty: a database and a role each for our state and for Prefect.
set -euo pipefail

create() {
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set role="$1" --set password="$2" --username "$POSTGRES_USER" --dbname postgres <<'SQL'
create role :"role" login password :'password';
create database :"role" owner :"role";
revoke connect, temporary on database :"role" from public;
SQL
}

create cartulary "$STATE_PASSWORD"
create prefect "$PREFECT_DATABASE_PASSWORD"
# The exporter of the profile `observe` sees figures and no row.
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set password="$POSTGRES_EXPORTER_PASSWORD" --username "$POSTGRES_USER" --dbname postgres <<'SQL'
create role exporter login password :'password' in role pg_monitor;
SQL
