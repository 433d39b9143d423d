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
# For the exporter of the profile `observe`.
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres --command "grant pg_monitor to cartulary"
