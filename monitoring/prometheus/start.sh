#!/bin/sh
# Prometheus reads a token from a file and never from the environment: this writes it to a tmpfs, then starts Prometheus.
set -eu

: "${METRICS_TOKEN:?is empty: cartulary init writes it to .env}"
: "${PUBLIC_URL:=https://localhost}"
: "${RUNTIME_DIRECTORY:=/run/prometheus}"

umask 077
printf '%s' "$METRICS_TOKEN" >"$RUNTIME_DIRECTORY/api-token"
unset METRICS_TOKEN

exec prometheus \
  --config.file="$(dirname "$0")/prometheus.yml" \
  --storage.tsdb.path="${STATE_DIRECTORY:-/prometheus}" \
  --storage.tsdb.retention.time=15d \
  --storage.tsdb.retention.size=2GB \
  --web.external-url="$PUBLIC_URL/prometheus/" \
  --web.route-prefix=/prometheus \
  "$@"
