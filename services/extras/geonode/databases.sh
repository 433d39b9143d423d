#!/usr/bin/env bash
# Makes GeoNode's two databases and their owners in our PostGIS; run again, it sets the passwords that .env says.
# A role is called as its database is: GeoNode's start asks as the one for the other. PGHOST, PGUSER and PGPASSWORD say where.
set -euo pipefail

make() {
  local name=$1 password=$2
  psql -v ON_ERROR_STOP=1 -qX -d postgres -v name="$name" -v password="$password" <<'SQL'
select format('create role %I login', :'name') where not exists (select from pg_roles where rolname = :'name') \gexec
select format('alter role %I login nosuperuser nocreatedb nocreaterole connection limit 20 password %L', :'name', :'password') \gexec
select format('create database %I owner %I', :'name', :'name') where not exists (select from pg_database where datname = :'name') \gexec
select format('revoke all on database %I from public', :'name') \gexec
SQL
  psql -v ON_ERROR_STOP=1 -qX -d "$name" -c 'set client_min_messages = warning' -c 'create extension if not exists postgis'
}

make geonode "${GEONODE_DATABASE_PASSWORD:?run cartulary init}"
make geonode_data "${GEONODE_GEODATABASE_PASSWORD:?run cartulary init}"
