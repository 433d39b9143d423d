"""Whether a running stack does its work: what answers, what waits, what was saved. One function per finding."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from flows.doctor_stack.door import find_door
from flows.doctor_stack.stack import Stack, ToldElsewhereError
from flows.doctor_stack.verdict import Verdict, warning, well, wrong

# Caddy renews when a third of a certificate's life is left, a month of Let's Encrypt's: a week before its end it has failed often.
RENEWED_BEFORE = timedelta(days=7)
EXEC_SECONDS = 60.0

PROMETHEUS = "http://prometheus:9090/prometheus"
FETCH = "import sys, urllib.request as u; sys.stdout.write(u.urlopen(sys.argv[1], timeout=10).read().decode())"
RULES = "monitoring/prometheus/rules"
# As the rule BackupOld: a day, the hours that a backup takes, and a night missed.
BACKUP, BACKUP_AGE = "cartulary_backup_finished_timestamp_seconds", timedelta(hours=36)
SAVE = "docker compose exec flows cartulary backup"
MIGRATIONS = "select distinct name from bronze.schema_migrations"


def certificate(stack: Stack) -> Iterator[Verdict]:
    """Caddy has a certificate for each name that browsers trust, and renews it in time."""
    door = find_door(stack)
    ends: dict[str, datetime | None] = {}
    for host in stack.hosts:
        try:
            ends[host] = door.ends_at(host)
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", "") or error.reason or str(error)
            yield wrong(
                f"{host}: {reason}",
                repair="docker compose logs --since 1h caddy: it says what the authority answered (see the finding dns)",
            )
        except OSError as error:
            yield wrong(f"{host}: nobody answers at port {door.port} ({error})", repair="docker compose up -d --wait caddy")
            return
    late = {host: end for host, end in ends.items() if end and end - stack.now < RENEWED_BEFORE}
    for host, end in late.items():
        yield warning(f"{host}: it ends on {end:%Y-%m-%d} and was not renewed", repair="docker compose logs --since 24h caddy")
    if len(ends) == len(stack.hosts) and not late:
        known = [end for end in ends.values() if end]
        yield well(f"good for {len(ends)} names until {min(known):%Y-%m-%d}" if known else f"{len(ends)} names, of Caddy's own authority")


def api(stack: Stack) -> Iterator[Verdict]:
    """The API answers through Caddy and Tyk, as it does to a client."""
    door = find_door(stack)
    host = f"api.{stack.domain}"
    try:
        status, body = door.get(host, "/health/live")
    except ssl.SSLError:
        raise ToldElsewhereError from None
    except OSError as error:
        yield wrong(f"https://{host}/health/live: {error}", repair="docker compose logs --tail 50 caddy tyk api")
        return
    if status == 200 and isinstance(body, dict) and body.get("status") == "live":
        yield well(f"https://{host}/health/live answers")
    elif status in (502, 503, 504):
        yield wrong(
            f"https://{host}/health/live: HTTP {status}, so Caddy does not reach Tyk, or Tyk not the API",
            repair="docker compose logs --tail 50 tyk api, then `docker compose up -d --wait`",
        )
    else:
        yield wrong(
            f"https://{host}/health/live: HTTP {status} and not the API's answer",
            repair="docker compose restart tyk, which reads its API definition (services/gateway/container) again",
        )


def alerts(stack: Stack) -> Iterator[Verdict]:
    """What Prometheus' rules complain of now."""
    firing = [one for one in _ask_prometheus(stack, "alerts")["alerts"] if one["state"] == "firing"]
    for one in firing:
        labels, told = one["labels"], one.get("annotations", {})
        name = labels.get("alertname", "?")
        say = wrong if labels.get("severity") == "critical" else warning
        yield say(f"{name}: {told.get('summary', '')}".rstrip(": "), repair=f"{RULES} has {name}: {told.get('description', 'see there')}")
    if not firing:
        yield well("none is firing")


def backups(stack: Stack) -> Iterator[Verdict]:
    """The newest backup is of last night."""
    found = _ask_prometheus(stack, f"query?query=max({BACKUP})")["result"]
    newest = float(found[0]["value"][1]) if found else 0.0
    if not newest:
        yield warning("none yet (the first is made in the night)", repair=f"{SAVE} makes one now")
        return
    age = stack.now - datetime.fromtimestamp(newest, UTC)
    if age > BACKUP_AGE:
        yield wrong(
            f"the newest is {age.total_seconds() / 3600:.0f} hours old", repair=f"{SAVE}, and `docker compose logs flows | grep -i backup`"
        )
    else:
        yield well(f"the newest is {max(0.0, age.total_seconds()) / 3600:.0f} hours old")


def work(stack: Stack) -> Iterator[Verdict]:
    """Counts add up, nothing failed for good, nothing keeps failing."""
    status = "docker compose exec flows cartulary status"
    answer = stack.docker.ask("exec", stack.container("flows").id, "cartulary", "status", "--json", seconds=EXEC_SECONDS)
    try:
        stock: dict[str, Any] = json.loads(answer.out)
    except ValueError:
        yield wrong(f"`cartulary status` failed in the container: {answer.reason}", repair=status)
        return
    for difference in stock["differences"]:
        yield wrong(f"does not add up: {difference}", repair=status)
    counts = {state: sum(row["count"] for row in stock["work"] if row["state"] == state) for state in ("pending", "claimed", "failed")}
    if counts["failed"]:
        yield warning(f"{counts['failed']} items failed for good", repair=f"{status}, then `docker compose exec flows cartulary reprocess`")
    if struggling := stock["struggling"]:
        first = struggling[0]
        yield warning(
            f"{len(struggling)} items keep failing, as {first['kind']} {first['key']} after {first['attempts']} attempts: {first['error']}",
            repair=f"{status}, and repair what the errors name: they are tried again by themselves",
        )
    if not (stock["differences"] or counts["failed"] or struggling):
        yield well(f"{counts['pending']} wait, {counts['claimed']} are under way, none failed")


def migrations(stack: Stack) -> Iterator[Verdict]:
    """The warehouse's tables are those of this checkout."""
    known = {path.stem for path in (stack.folder / "services/warehouse/ddl").glob("[0-9]*.sql")}
    if not known:
        raise ToldElsewhereError
    answer = stack.docker.ask("exec", stack.container("flows").id, "cartulary", "sql", MIGRATIONS, "--format", "TSV", seconds=EXEC_SECONDS)
    if answer.code != 0:
        yield wrong(
            f"the warehouse does not say what was applied: {answer.reason}", repair="docker compose logs --tail 50 clickhouse migrate"
        )
        return
    applied = set(answer.out.split())
    if missing := sorted(known - applied):
        yield wrong(f"not applied: {', '.join(missing)}", repair="docker compose up -d --build --wait, which builds the image and migrates")
    elif newer := sorted(applied - known):
        yield warning(
            f"the warehouse has {', '.join(newer)}, which this checkout does not know",
            repair="git pull: the stack is newer than this folder",
        )
    else:
        yield well(f"{len(known)} applied")


def _ask_prometheus(stack: Stack, question: str) -> dict[str, Any]:
    """Prometheus' answer, asked from the API's container: it publishes no port, and its own image may have no client."""
    stack.container("prometheus")
    url = f"{PROMETHEUS}/api/v1/{question}"
    told = stack.docker.json("exec", stack.container("api").id, "python", "-c", FETCH, url, seconds=EXEC_SECONDS)
    data: dict[str, Any] = told["data"]
    return data
