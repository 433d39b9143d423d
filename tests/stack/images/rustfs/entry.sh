#!/usr/bin/env bash
# RUSTFS_ACCESS_KEY and RUSTFS_SECRET_KEY (or _FILE) as the image takes them; any command but `rustfs` is run as it is.
set -euo pipefail
if [[ ${1:-rustfs} != *rustfs* ]]; then
  exec "$@"
fi
access=${RUSTFS_ACCESS_KEY:-} secret=${RUSTFS_SECRET_KEY:-}
if [[ -n ${RUSTFS_ACCESS_KEY_FILE:-} ]]; then access=$(<"$RUSTFS_ACCESS_KEY_FILE"); fi
if [[ -n ${RUSTFS_SECRET_KEY_FILE:-} ]]; then secret=$(<"$RUSTFS_SECRET_KEY_FILE"); fi
if [[ -z $access || -z $secret ]]; then
  echo 'FATAL: access key and secret key are not set' >&2
  exit 1
fi
export HOME=/tmp RCLONE_CONFIG=/tmp/rclone.conf XDG_CONFIG_HOME=/tmp XDG_DATA_HOME=/tmp
rclone serve s3 --addr 127.0.0.1:9002 --auth-key "$access,$secret" --log-level NOTICE "${RUSTFS_VOLUMES:-/data}" &
caddy run --config /etc/standin/Caddyfile --adapter caddyfile &
# Without one of them there is no store: the container ends, and its restart policy brings both back.
wait -n
exit 1
