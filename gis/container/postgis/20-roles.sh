#!/bin/bash
# Runs once, when the volume is empty: the role that owns the map mirror, and the two through which GeoServer and QGIS read it.
set -euo pipefail

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  --set database="$POSTGRES_DB" --set owner="$MAP_OWNER_PASSWORD" --set public="$MAP_PUBLIC_PASSWORD" --set restricted="$MAP_RESTRICTED_PASSWORD" <<'SQL'
create extension if not exists postgis;
create role map_owner login password :'owner';
create role map_public login password :'public';
create role map_restricted login password :'restricted';
revoke connect, temporary on database :"database" from public;
grant connect, temporary, create on database :"database" to map_owner;
grant connect on database :"database" to map_public, map_restricted;
revoke create on schema public from public;
SQL
