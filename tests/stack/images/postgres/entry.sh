#!/usr/bin/env bash
# What compose relies on of the official image's entry point: POSTGRES_USER, _DB, _PASSWORD (or _FILE) and the scripts of
# /docker-entrypoint-initdb.d on the first boot, with a server that only the socket reaches; then the server as user 999.
set -Eeuo pipefail
[[ ${1:-} != -* ]] || set -- postgres "$@"
if [[ ${1:-} != postgres ]]; then
  exec "$@"
fi
if [[ $(id -u) == 0 ]]; then
  mkdir -p "$PGDATA" /var/run/postgresql
  chown postgres "$PGDATA" /var/run/postgresql
  chmod 700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
if [[ ! -s $PGDATA/PG_VERSION ]]; then
  password=${POSTGRES_PASSWORD:-}
  if [[ -n ${POSTGRES_PASSWORD_FILE:-} ]]; then password=$(<"$POSTGRES_PASSWORD_FILE"); fi
  method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
  if [[ -z $password && $method != trust ]]; then
    echo 'Error: Database is uninitialized and superuser password is not specified.' >&2
    exit 1
  fi
  user=${POSTGRES_USER:-postgres}
  database=${POSTGRES_DB:-$user}
  # shellcheck disable=SC2086 # several arguments in one variable, as the official image takes them
  initdb -D "$PGDATA" -U "$user" -E UTF8 --locale=C.UTF-8 --pwfile=<(printf '%s\n' "$password") ${POSTGRES_INITDB_ARGS:-} >/dev/null
  printf 'host all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
  printf "listen_addresses = '*'\n" >>"$PGDATA/postgresql.conf"
  export PGUSER=$user PGPASSWORD=$password
  pg_ctl -D "$PGDATA" -w -o "-c listen_addresses='' -p 5432" start >/dev/null
  if [[ $database != postgres ]]; then
    psql -v ON_ERROR_STOP=1 -d postgres --set db="$database" <<<'create database :"db";' >/dev/null
  fi
  if [[ -n ${STANDIN_EXTENSION:-} ]]; then
    for name in template1 "$database"; do
      psql -v ON_ERROR_STOP=1 -d "$name" -c "create extension if not exists $STANDIN_EXTENSION" >/dev/null
    done
  fi
  export POSTGRES_USER=$user POSTGRES_DB=$database POSTGRES_PASSWORD=$password
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh)
        echo "running $file"
        # shellcheck source=/dev/null
        if [[ -x $file ]]; then "$file"; else . "$file"; fi
        ;;
      *.sql)
        echo "running $file"
        psql -v ON_ERROR_STOP=1 --no-password -d "$database" -f "$file" >/dev/null
        ;;
    esac
  done
  pg_ctl -D "$PGDATA" -m fast -w stop >/dev/null
  unset PGUSER PGPASSWORD
fi
exec "$@"
