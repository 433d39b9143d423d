#!/bin/sh
# Alertmanager expands no variables: this adds the operator's webhook and e-mail address to a copy of alertmanager.yml in a tmpfs.
set -eu

: "${PUBLIC_URL:=https://localhost}"
: "${RUNTIME_DIRECTORY:=/run/alertmanager}"
config=$RUNTIME_DIRECTORY/alertmanager.yml

# As a YAML string: whatever stands in a password stays what it is.
quoted() {
  printf "'%s'" "$(printf '%s' "$1" | sed "s/'/''/g")"
}

umask 077
{
  cat "$(dirname "$0")/alertmanager.yml"
  if [ -n "${ALERT_WEBHOOK_URL:-}" ]; then
    printf '    webhook_configs:\n      - url: %s\n' "$(quoted "$ALERT_WEBHOOK_URL")"
  fi
  if [ -n "${ALERT_EMAIL_TO:-}" ]; then
    : "${ALERT_SMTP_SMARTHOST:?is empty: name the mail server as host:port, or empty ALERT_EMAIL_TO}"
    printf '    email_configs:\n      - to: %s\n' "$(quoted "$ALERT_EMAIL_TO")"
    printf '        from: %s\n' "$(quoted "${ALERT_SMTP_FROM:-$ALERT_EMAIL_TO}")"
    printf '        smarthost: %s\n' "$(quoted "$ALERT_SMTP_SMARTHOST")"
    printf '        send_resolved: true\n'
    if [ -n "${ALERT_SMTP_USER:-}" ]; then
      printf '        auth_username: %s\n' "$(quoted "$ALERT_SMTP_USER")"
      printf '        auth_password: %s\n' "$(quoted "${ALERT_SMTP_PASSWORD:-}")"
    fi
  fi
} >"$config"
unset ALERT_WEBHOOK_URL ALERT_SMTP_PASSWORD

# An empty cluster address: one Alertmanager alone opens no port for others.
exec alertmanager \
  --config.file="$config" \
  --storage.path="${STATE_DIRECTORY:-/alertmanager}" \
  --data.retention=120h \
  --web.external-url="$PUBLIC_URL/alertmanager/" \
  --web.route-prefix=/alertmanager \
  --cluster.listen-address= \
  "$@"
