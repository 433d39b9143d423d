"""What the staff looks at: the state of each service, Prometheus, dbt's documentation, Prefect."""

from __future__ import annotations

from stack import Stack, until
from town import Town
from web import Web

UP = ("api", "geoserver", "prefect", "prometheus", "alertmanager", "clickhouse", "rustfs", "portal", "form", "dbt-docs")
# So the test of the doors spells what it forges: only who knows the secret already could.
BY_BURGLARS = ("X_gateway_secret", "%70assword")


def test_the_landing_page_knows_who_is_up(stack: Stack, web: Web) -> None:
    states = {name: web.get("", f"/up/{name}") for name in UP}
    assert {name: (answer.status_code, answer.text) for name, answer in states.items()} == dict.fromkeys(UP, (200, "up"))
    # What does not run is down.
    assert web.get("", "/up/geonode").status_code == 502


def test_prometheus_finds_everybody(stack: Stack, town: Town) -> None:
    """All targets of services that run here."""

    def down() -> list[str] | None:
        answer = town.staff("GET", "/prometheus/api/v1/targets?state=active")
        assert answer.status_code == 200, answer.text
        targets = answer.json()["data"]["activeTargets"]
        wrong = [
            f"{target['labels']['job']} {target['scrapeUrl']}: {target['health']} {target['lastError']}"
            for target in targets
            if target["health"] != "up" and any(name in stack.services for name in target_names(target))
        ]
        last[:] = wrong
        return None if wrong else [target["labels"]["job"] for target in targets]

    last: list[str] = []
    try:
        jobs = until(down, "every target up", 120)
    except AssertionError as error:
        raise AssertionError(f"{error}: {last}") from None
    assert jobs and {"api", "flows", "clickhouse", "caddy", "prometheus", "alertmanager"} <= set(jobs)


def target_names(target: dict[str, object]) -> set[str]:
    labels = target["labels"]
    assert isinstance(labels, dict)
    return {str(labels["job"]), str(labels.get("instance", "")).partition(":")[0]}


def test_metrics_of_the_work_arrive(town: Town) -> None:
    def letters() -> bool:
        answer = town.staff("GET", "/prometheus/api/v1/query", params={"query": "count({__name__=~'cartulary_.+'})"})
        result = answer.json()["data"]["result"]
        return bool(result) and float(result[0]["value"][1]) > 20

    until(letters, "Prometheus has figures of ours", 120)


def test_rules_are_loaded_and_alertmanager_is_known(town: Town) -> None:
    groups = town.staff("GET", "/prometheus/api/v1/rules").json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert rules and all(rule["health"] in ("ok", "unknown") for rule in rules), [rule for rule in rules if rule["health"] == "err"]
    managers = town.staff("GET", "/prometheus/api/v1/alertmanagers").json()["data"]["activeAlertmanagers"]
    assert managers
    assert town.staff("GET", "/alertmanager/api/v2/status").status_code == 200


def test_prefect_knows_all_flows(stack: Stack, web: Web) -> None:
    user, _, password = stack.settings["PREFECT_AUTH"].partition(":")
    answer = web.post("prefect", "/api/deployments/filter", json={}, auth=(user, password))
    assert answer.status_code == 200
    assert len(answer.json()) >= 5
    assert web.get("prefect", "/api/health").status_code == 200


def test_logs_hold_no_secrets(stack: Stack, town: Town) -> None:
    """What everybody has said so far, after all the attempts above."""
    names = {value: name for name, value in stack.settings.items() if value in stack.secrets()}
    names |= {value: f"key of {name}" for name, value in town.keys.items()} | {stack.password: "the clerk's password"}
    names[town.session_url.rpartition("/")[2]] = "an upload link"
    logs = stack.compose("logs", "--no-color", timeout=120).stdout
    assert logs
    told = {
        (line.partition("|")[0].strip(), name, line.replace(value, "…")[:400])
        for value, name in names.items()
        if value in logs
        for line in logs.splitlines()
        if value in line and not any(spelled in line for spelled in BY_BURGLARS)
    }
    assert not told
