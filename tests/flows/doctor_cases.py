"""What may be the matter with a stack, and what the doctor has to say of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docker_fake import NOW, SERVICES, Scene, as_recorded, inside, prometheus, recorded

WELL, NOTE, WRONG = "well", "note", "WRONG"
DEAD_ENGINE = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
CLOSED_ENGINE = (
    "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: "
    'Get "http://%2Fvar%2Frun%2Fdocker.sock/v1.51/version": dial unix /var/run/docker.sock: connect: permission denied'
)
MISSING_VARIABLE = (
    "error while interpolating services.redis.environment.REDIS_PASSWORD: required variable {} is missing a value: run cartulary init"
)
STOCK: dict[str, Any] = {"work": [], "struggling": [], "differences": []}


def engine_is_missing(scene: Scene) -> None:
    scene.answer("", code=127, err="docker is not installed")


def engine_is_dead(scene: Scene) -> None:
    for arguments in ("version", "info", "ps", "inspect"):
        scene.answer(arguments, code=1, err=DEAD_ENGINE)


def engine_is_closed(scene: Scene) -> None:
    scene.answer("version", json.dumps(recorded("version") | {"Server": None}), code=1, err=CLOSED_ENGINE)


def engine_is_old(scene: Scene) -> None:
    scene.info["ServerVersion"] = "20.10.24+dfsg1"


def engine_lacks_start_interval(scene: Scene) -> None:
    scene.info["ServerVersion"] = "24.0.7"
    scene.config["services"]["api"]["healthcheck"] = recorded("config")["services"]["web"]["healthcheck"]


def compose_is_missing(scene: Scene) -> None:
    scene.answer("compose", code=125, err="unknown flag: --short\n\nRun 'docker --help' for more information")


def compose_is_old(scene: Scene) -> None:
    scene.answer("compose version --short", "2.20.2\n")


def no_env(scene: Scene) -> None:
    (scene.folder / ".env").unlink()
    scene.answer("compose config --quiet", code=1, err=MISSING_VARIABLE.format("REDIS_PASSWORD"))


def env_is_open(scene: Scene) -> None:
    (scene.folder / ".env").chmod(0o644)


def env_is_anothers(scene: Scene) -> None:
    # Tests may run as root, who may read everything.
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == ".env":
            raise PermissionError(13, "Permission denied")
        return read(path)

    scene.patch.setattr(Path, "read_bytes", refuse)
    scene.answer("compose config --quiet", code=1, err=f"open {scene.folder}/.env: permission denied")


def secret_is_empty(scene: Scene) -> None:
    scene.env(REDIS_PASSWORD="")


def secret_is_placeholder(scene: Scene) -> None:
    scene.env(GRAFANA_PASSWORD="changeme-please-now")


def secret_is_somebody_elses(scene: Scene) -> None:
    scene.env(RUSTFS_SECRET_KEY="minioadmin")


def secret_is_an_images_own(scene: Scene) -> None:
    scene.env(NOMINATIM_PASSWORD="qaIACxO6wMR3")


def secret_is_short(scene: Scene) -> None:
    scene.env(PREFECT_AUTH="admin:short1")


def secrets_are_the_same(scene: Scene) -> None:
    scene.env(MAP_PUBLIC_PASSWORD="a" * 40, MAP_RESTRICTED_PASSWORD="a" * 40)


def staff_is_empty(scene: Scene) -> None:
    scene.env(STAFF_USERS="")


def staff_without_hash(scene: Scene) -> None:
    scene.env(STAFF_USERS="'anna correct-horse'")


def variable_is_missing(scene: Scene) -> None:
    scene.env(REDIS_PASSWORD="")
    scene.answer("compose config --quiet", code=1, err=MISSING_VARIABLE.format("REDIS_PASSWORD"))
    scene.config["services"]["redis"] = {"environment": {"A": "${REDIS_PASSWORD:?run cartulary init}"}}


def extras_variable_is_missing(scene: Scene) -> None:
    scene.answer("compose config --quiet", code=1, err=MISSING_VARIABLE.format("SHOP_TOKEN"))
    scene.config["services"]["lab"] = {"environment": {"A": "${CARTULARY_X:-${SHOP_TOKEN:?set one}}"}}


def compose_file_is_broken(scene: Scene) -> None:
    scene.answer("compose config --quiet", code=15, err="yaml: line 12: did not find expected key")


def other_processor(scene: Scene) -> None:
    scene.info["Architecture"] = "aarch64"


def no_avx2(scene: Scene) -> None:
    scene.machine.write("cpuinfo", "flags\t\t: fpu sse4_2 avx\n")


def no_avx2_needed(scene: Scene) -> None:
    no_avx2(scene)
    scene.config["services"]["clickhouse"]["image"] = "clickhouse/clickhouse-server:26.3"


def too_little_memory(scene: Scene) -> None:
    scene.info["MemTotal"] = 2_000_000_000
    scene.machine.write("meminfo", "SwapTotal: 0 kB\n")


def tight_memory(scene: Scene) -> None:
    scene.info["MemTotal"] = 6_000_000_000
    scene.machine.write("meminfo", "SwapTotal: 0 kB\n")


def no_limit(scene: Scene) -> None:
    del scene.config["services"]["tyk"]["mem_limit"]


def wrong_domain_port(scene: Scene) -> None:
    scene.config["services"]["caddy"]["environment"]["DOMAIN"] = "example.org"
    scene.machine.names = {host: {"203.0.113.7"} for host in ("example.org", "api.example.org")}


def domain_on_loopback(scene: Scene) -> None:
    wrong_domain_port(scene)
    scene.config["services"]["caddy"]["ports"][0]["host_ip"] = "127.0.0.1"


def name_is_unknown(scene: Scene) -> None:
    wrong_domain_port(scene)
    scene.machine.names["api.example.org"] = set()


def name_leads_away(scene: Scene) -> None:
    wrong_domain_port(scene)
    scene.machine.names["api.example.org"] = {"203.0.113.99"}


def six_is_not_heard(scene: Scene) -> None:
    wrong_domain_port(scene)
    scene.machine.addresses_are("203.0.113.7", "2001:db8::7")
    scene.machine.names["api.example.org"] = {"203.0.113.7", "2001:db8::7"}


def six_is_heard(scene: Scene) -> None:
    six_is_not_heard(scene)
    ports = scene.config["services"]["caddy"]["ports"]
    ports.append(ports[0] | {"host_ip": "::"})


def six_is_of_the_hosts_file(scene: Scene) -> None:
    wrong_domain_port(scene)
    scene.machine.names["example.org"] = {"203.0.113.7", "::1"}


def behind_nat(scene: Scene) -> None:
    wrong_domain_port(scene)
    scene.machine.addresses_are("192.168.1.20")


def names_are_slow(scene: Scene) -> None:
    wrong_domain_port(scene)
    del scene.machine.names["api.example.org"]


def image_without_version(scene: Scene) -> None:
    scene.config["services"]["tyk"]["image"] = "tykio/tyk-gateway"


def image_is_absent(scene: Scene) -> None:
    scene.answer("image inspect --format {{.Id}} example/tyk", code=1, err="Error response from daemon: No such image: example/tyk:1.0")


def stands_still(scene: Scene) -> None:
    for service in SERVICES:
        as_recorded(scene, service, "job")


def never_made(scene: Scene) -> None:
    scene.containers.remove(scene.container("flows"))


def never_started(scene: Scene) -> None:
    # As recorded with a port that was taken.
    scene.container("flows")["State"] |= {
        "Status": "created",
        "ExitCode": 128,
        "Error": "driver failed programming external connectivity: Bind for 127.0.0.1:18099 failed: port is already allocated",
    }


def killed(scene: Scene) -> None:
    as_recorded(scene, "clickhouse", "eater")


def killed_with_variable(scene: Scene) -> None:
    as_recorded(scene, "clickhouse", "eater")
    template = {"services": {"clickhouse": {"mem_limit": "${CLICKHOUSE_MEMORY:-1g}"}}}
    scene.answer("compose --profile * config", json.dumps(template))


def child_killed(scene: Scene) -> None:
    scene.container("flows")["State"]["OOMKilled"] = True


def illegal(scene: Scene) -> None:
    as_recorded(scene, "clickhouse", "ill")


def illegal_in_a_circle(scene: Scene) -> None:
    as_recorded(scene, "clickhouse", "loop")["State"]["ExitCode"] = 132


def ended(scene: Scene) -> None:
    as_recorded(scene, "tyk", "badjob")
    scene.answer("logs", err="starting\nthe database said no: error\nbye\n")


def killed_by_hand(scene: Scene) -> None:
    as_recorded(scene, "tyk", "eater")["State"]["OOMKilled"] = False


def job_failed(scene: Scene) -> None:
    as_recorded(scene, "migrate", "badjob")
    scene.answer("logs", err="the database said no\n")


def in_a_circle(scene: Scene) -> None:
    as_recorded(scene, "tyk", "loop")
    scene.answer("logs", "cannot open /data/config: permission denied\n")


def started_often(scene: Scene) -> None:
    scene.container("tyk")["RestartCount"] = 4


def sick(scene: Scene) -> None:
    as_recorded(scene, "prometheus", "sick")
    scene.answer("logs", "FATAL: password authentication failed for user\n")


def still_starting(scene: Scene) -> None:
    scene.container("prometheus")["State"]["Health"]["Status"] = "starting"


def nearly_full(scene: Scene) -> None:
    line = {"Name": "cartulary-tyk-1", "MemPerc": "94.10%", "MemUsage": "963.6MiB / 1GiB"}
    scene.answer("stats", json.dumps(line) + "\n")


def other_image(scene: Scene) -> None:
    scene.container("tyk")["Config"]["Image"] = "example/tyk:0.9"
    scene.container("tyk")["Config"]["Labels"]["com.docker.compose.config-hash"] = "0" * 64


def left_over(scene: Scene) -> None:
    scene.container("tyk")["Config"]["Labels"]["com.docker.compose.service"] = "kong"


def profile_left(scene: Scene) -> None:
    template = json.dumps(scene.config)
    del scene.config["services"]["tyk"]
    scene.answer("compose --profile * config", template)


def counts_differ(scene: Scene) -> None:
    inside(scene, "flows", "cartulary status", json.dumps(STOCK | {"differences": ["load l1: 3 is not 4"]}), code=1)


def work_failed(scene: Scene) -> None:
    rows = [{"kind": "extract", "state": "failed", "count": 2}, {"kind": "load", "state": "pending", "count": 1}]
    inside(scene, "flows", "cartulary status", json.dumps(STOCK | {"work": rows}))


def work_struggles(scene: Scene) -> None:
    item = {"kind": "geocode", "key": "k1", "attempts": 5, "error": "Nominatim does not answer"}
    inside(scene, "flows", "cartulary status", json.dumps(STOCK | {"struggling": [item]}))


def status_fails(scene: Scene) -> None:
    inside(scene, "flows", "cartulary status", code=1, err="error: ClickHouse does not answer")


def alert_fires(scene: Scene, severity: str = "critical") -> None:
    alert = {
        "state": "firing",
        "labels": {"alertname": "DiskFilling", "severity": severity},
        "annotations": {"summary": "10% left.", "description": "`docker system df -v` says what takes it."},
    }
    prometheus(scene, alerts=[alert, alert | {"state": "pending"}], backup=NOW.timestamp())


def alert_warns(scene: Scene) -> None:
    alert_fires(scene, "warning")


def prometheus_is_silent(scene: Scene) -> None:
    inside(scene, "api", "python", code=1, err="urllib.error.URLError: <urlopen error [Errno 111] Connection refused>")


def backup_is_old(scene: Scene) -> None:
    prometheus(scene, alerts=[], backup=NOW.timestamp() - 50 * 3600)


def no_backup(scene: Scene) -> None:
    prometheus(scene, alerts=[], backup=None)


def migration_is_missing(scene: Scene) -> None:
    ddl = scene.folder / "services/warehouse/ddl"
    ddl.mkdir(parents=True)
    for name in ("0001_uploads", "0002_letters"):
        (ddl / f"{name}.sql").touch()
    inside(scene, "flows", "cartulary sql", "0001_uploads\n")


def warehouse_is_newer(scene: Scene) -> None:
    migration_is_missing(scene)
    inside(scene, "flows", "cartulary sql", "0001_uploads\n0002_letters\n0003_later\n")


def warehouse_is_silent(scene: Scene) -> None:
    migration_is_missing(scene)
    inside(scene, "flows", "cartulary sql", code=1, err="error: ClickHouse at clickhouse:8123 does not answer")


OLDER_CLICKHOUSE = ".env: CLICKHOUSE_IMAGE=clickhouse/clickhouse-server:26.3"
CASES: list[tuple[Callable[[Scene], None], str, str, str, str]] = [
    (engine_is_missing, "docker engine", WRONG, "missing", "sudo apt-get install docker-ce"),
    (engine_is_dead, "docker engine", WRONG, "does not answer", "sudo systemctl enable --now docker"),
    (engine_is_closed, "docker engine", WRONG, "may not ask", "sudo usermod -aG docker"),
    (engine_is_old, "docker engine", WRONG, "20.10.24+dfsg1; at least 24.0", "sudo apt-get install docker-ce"),
    (engine_lacks_start_interval, "docker engine", WRONG, "at least 25.0 is needed, as compose.yaml sets start_interval", "sudo apt-get"),
    (compose_is_missing, "docker compose", WRONG, "missing", "sudo apt-get install docker-compose-plugin"),
    (compose_is_old, "docker compose", WRONG, "2.20.2; at least 2.24.4", "sudo apt-get install docker-compose-plugin"),
    (env_is_anothers, "env file", WRONG, "not this user's to read", "sudo chown $(id -un)"),
    (no_env, "env file", WRONG, "there is no", "make init"),
    (env_is_open, "env file", WRONG, "mode 644", "chmod 600"),
    (secret_is_empty, "secrets", WRONG, "not set: REDIS_PASSWORD", "make init"),
    (secret_is_placeholder, "secrets", WRONG, "GRAFANA_PASSWORD is a placeholder", ".env: empty GRAFANA_PASSWORD, then `make init`"),
    (secret_is_somebody_elses, "secrets", WRONG, "RUSTFS_SECRET_KEY is a placeholder", ".env: empty RUSTFS_SECRET_KEY"),
    (secret_is_an_images_own, "secrets", WRONG, "NOMINATIM_PASSWORD is a placeholder", ".env: empty NOMINATIM_PASSWORD"),
    (secret_is_short, "secrets", WRONG, "PREFECT_AUTH is shorter", ".env: empty PREFECT_AUTH"),
    (secrets_are_the_same, "secrets", NOTE, "MAP_PUBLIC_PASSWORD, MAP_RESTRICTED_PASSWORD", ".env: empty all but one"),
    (staff_is_empty, "secrets", WRONG, "names nobody", "make init ARGS='--user NAME'"),
    (staff_without_hash, "secrets", WRONG, "no bcrypt hash for anna", "make init ARGS='--remove-user anna --user anna'"),
    (variable_is_missing, "compose file", WRONG, "not set in .env: REDIS_PASSWORD", "make init"),
    (extras_variable_is_missing, "compose file", WRONG, "not set in .env: SHOP_TOKEN", ".env: set SHOP_TOKEN"),
    (compose_file_is_broken, "compose file", WRONG, "line 12", "docker compose config --quiet"),
    (other_processor, "architecture", WRONG, "aarch64", ".env: name images"),
    (no_avx2, "processor", WRONG, "no AVX2, which clickhouse/clickhouse-server:26.8 needs", f"{OLDER_CLICKHOUSE}, then"),
    (no_avx2_needed, "processor", WELL, "26.3 works without", ""),
    (too_little_memory, "memory", WRONG, "6 services may take 6.4 GB together", ".env: fewer COMPOSE_PROFILES"),
    (tight_memory, "memory", NOTE, "swap are advised", "sudo fallocate -l 4G"),
    (no_limit, "memory", NOTE, "without a limit: tyk", "compose.yaml: give each"),
    (wrong_domain_port, "domain", NOTE, "not at ports 80 and 443", ".env: HTTP_PORT=80"),
    (domain_on_loopback, "domain", NOTE, "on 127.0.0.1 alone", ".env: BIND_ADDRESS=0.0.0.0"),
    (wrong_domain_port, "dns", WELL, "2 names lead here", ""),
    (name_is_unknown, "dns", WRONG, "no address: api.example.org", "dig +short api.example.org must print 203.0.113.7"),
    (name_leads_away, "dns", WRONG, "lead to 203.0.113.99, not here (203.0.113.7)", "dig +short api.example.org must print"),
    (six_is_not_heard, "dns", NOTE, "AAAA records of api.example.org (2001:db8::7)", "dig +short AAAA api.example.org must print nothing"),
    (six_is_heard, "dns", WELL, "2 names lead here", ""),
    (six_is_of_the_hosts_file, "dns", WELL, "2 names lead here", ""),
    (behind_nat, "dns", NOTE, "behind NAT", "dig +short example.org"),
    (names_are_slow, "dns", NOTE, "no answer in time about api.example.org", "dig api.example.org"),
    (image_without_version, "images", NOTE, "without a version: tykio/tyk-gateway", ".env: name a version"),
    (image_is_absent, "images", WELL, "6 of 7 here; `docker compose up` fetches or builds example/tyk:1.0", ""),
    (stands_still, "started", WRONG, "stands still", "docker compose up -d --wait"),
    (never_made, "started", WRONG, "no container: flows", "docker compose up -d --wait"),
    (never_started, "started", WRONG, "port is already allocated", "docker compose up -d --wait"),
    (
        killed,
        "killed for memory",
        WRONG,
        "at its limit of 1g (exit code 137)",
        "compose.yaml: mem_limit: 1536m instead of 1g for",
    ),
    (killed_with_variable, "killed for memory", WRONG, "clickhouse", ".env: CLICKHOUSE_MEMORY=1536m instead of 1g"),
    (child_killed, "killed for memory", NOTE, "flows runs on", "compose.yaml: mem_limit: 1536m"),
    (illegal, "illegal instruction", WRONG, "exit code 132", f"{OLDER_CLICKHOUSE}, then"),
    (illegal_in_a_circle, "illegal instruction", WRONG, "exit code 132", f"{OLDER_CLICKHOUSE}, then"),
    (ended, "stopped", WRONG, "exit code 3: the database said no: error", "docker compose up -d tyk"),
    (killed_by_hand, "stopped", WRONG, "killed: by hand", "docker compose up -d tyk"),
    (job_failed, "failed job", WRONG, "migrate failed with exit code 3: the database said no", "docker compose up migrate"),
    (in_a_circle, "restarting", WRONG, "12 times, exit code 1): cannot open", "docker compose logs --tail 50 tyk"),
    (started_often, "restarting", NOTE, "4 times, last at 06:02 UTC", "docker compose logs --tail 50 tyk"),
    (sick, "unhealthy", WRONG, "not healthy: FATAL: password", "docker compose logs --tail 50 prometheus"),
    (still_starting, "unhealthy", NOTE, "still starting", "docker compose up -d --wait"),
    (nearly_full, "memory in use", NOTE, "tyk uses 963.6MiB of 1GiB", "compose.yaml: mem_limit: 1536m"),
    (other_image, "changed", NOTE, "tyk (example/tyk:0.9, now example/tyk:1.0)", "docker compose up -d --wait"),
    (left_over, "leftovers", NOTE, "compose.yaml has no kong", "docker compose up -d --wait --remove-orphans"),
    (profile_left, "leftovers", NOTE, "no chosen profile has it: tyk", "docker compose stop tyk"),
    (counts_differ, "work", WRONG, "load l1: 3 is not 4", "docker compose exec flows cartulary status"),
    (work_failed, "work", NOTE, "2 items failed for good", "docker compose exec flows cartulary status"),
    (work_struggles, "work", NOTE, "geocode k1 after 5 attempts: Nominatim", "docker compose exec flows cartulary status"),
    (status_fails, "work", WRONG, "ClickHouse does not answer", "docker compose exec flows cartulary status"),
    (alert_fires, "alerts", WRONG, "DiskFilling: 10% left.", "monitoring/prometheus/rules has DiskFilling: `docker system df -v`"),
    (alert_warns, "alerts", NOTE, "DiskFilling", "monitoring/prometheus/rules"),
    (prometheus_is_silent, "alerts", NOTE, "Connection refused", "docker "),
    (backup_is_old, "backups", WRONG, "50 hours old", "docker compose exec flows cartulary backup"),
    (no_backup, "backups", NOTE, "none yet", "docker compose exec flows cartulary backup"),
    (migration_is_missing, "migrations", WRONG, "not applied: 0002_letters", "docker compose up -d --build --wait"),
    (warehouse_is_newer, "migrations", NOTE, "0003_later", "git pull"),
    (warehouse_is_silent, "migrations", WRONG, "does not answer", "docker compose logs --tail 50 clickhouse migrate"),
]
