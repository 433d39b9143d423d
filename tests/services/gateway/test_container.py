"""What the files that Tyk reads promise."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from gateway_support import CONTAINER

from services.gateway.consumers import FORM, PORTAL, STANDARD
from services.gateway.control_api import API_ID, ORG_ID
from services.settings import ApiSettings

MB = 1_000_000


def content(path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CONTAINER / path).read_text(encoding="utf-8"))
    return found


@pytest.fixture
def definition() -> dict[str, Any]:
    return content("apps/cartulary.json")


@pytest.fixture
def version(definition: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = definition["version_data"]["versions"]["Default"]
    return found


def files() -> list[Path]:
    return [*CONTAINER.rglob("*.json"), CONTAINER / "tyk.conf"]


def test_one_api_whose_keys_stand_in_one_header(definition: dict[str, Any]) -> None:
    assert len(list((CONTAINER / "apps").iterdir())) == 1
    assert (definition["api_id"], definition["org_id"]) == (API_ID, ORG_ID)
    assert definition["active"] and definition["use_standard_auth"] and not definition["use_keyless"]
    assert definition["auth"] == {"auth_header_name": "X-API-Key", "use_param": False, "use_cookie": False}
    assert definition["auth_configs"] == {"authToken": definition["auth"]}, "the newer name of the same"
    assert definition["strip_auth_data"], "the API never sees a key"
    assert definition["proxy"]["target_url"] == "http://api:8600"
    assert definition["proxy"]["listen_path"] == "/" and not definition["proxy"]["strip_listen_path"]
    assert not definition["CORS"]["enable"]


def test_a_limit_for_all_keys_together_would_beat_that_of_each(definition: dict[str, Any]) -> None:
    assert "global_rate_limit" not in definition


def test_what_a_client_says_of_itself_is_removed_and_what_tyk_knows_added(version: dict[str, Any]) -> None:
    assert set(version["global_headers_remove"]) == {"X-API-Key", "X-Consumer", "X-Scopes", "X-Gateway-Secret"}
    assert version["global_headers"] == {
        "X-Consumer": "$tyk_meta.consumer",
        "X-Scopes": "$tyk_meta.scopes",
        "X-Gateway-Secret": "$secret_env.gateway",
    }


def test_open_are_three_things_and_nothing_that_looks_alike(version: dict[str, Any]) -> None:
    ignored = version["extended_paths"]["ignored"]
    assert version["use_extended_paths"]
    assert all(list(entry["method_actions"]) == ["GET"] for entry in ignored)
    assert all(entry["path"].startswith("^") and entry["path"].endswith("$") for entry in ignored), "Tyk looks for a pattern anywhere"
    patterns = [re.compile(entry["path"]) for entry in ignored]

    def is_open(path: str) -> bool:
        return any(pattern.search(path) for pattern in patterns)

    for path in ("/docs", "/docs/", "/docs/start.js", "/docs/assets/swagger-ui.css", "/openapi.json", "/health/live"):
        assert is_open(path), path
    for path in ("/v1/docs", "/docsx", "/openapi_json", "/openapi.json/x", "/health/ready", "/health/livex", "/metrics", "/v1/areas", "/"):
        assert not is_open(path), path


def test_keys_are_hashed_listed_and_forgotten_at_once() -> None:
    conf = content("tyk.conf")
    assert conf["hash_keys"] and conf["enable_hashed_keys_listing"] and conf["hash_key_function"] == "sha256"
    assert conf["local_session_cache"]["disable_cached_session_state"], "a revoked key must not live on in a cache"
    assert not conf["allow_master_keys"]
    assert conf["enable_redis_rolling_limiter"], "the 101st request, not one about there"


def test_the_control_api_has_a_port_of_its_own() -> None:
    conf = content("tyk.conf")
    assert (conf["listen_port"], conf["control_api_port"]) == (8080, 8081)


def test_bodies_up_to_32_mb_and_streams_at_once() -> None:
    options = content("tyk.conf")["http_server_options"]
    assert 32 * MB <= options["max_request_body_size"] < 34 * MB
    assert options["enable_websockets"], "which is also the switch for server-sent events"
    assert options["flush_interval"] == 1
    assert options["write_timeout"] >= content("tyk.conf")["proxy_default_timeout"] >= 300


def test_no_file_holds_a_secret() -> None:
    for path in files():
        found = re.findall(r'"[^"]*(?:secret|password)[^"]*"\s*:\s*"([^"]*)"', path.read_text(encoding="utf-8"), re.IGNORECASE)
        assert all(value.startswith("$") for value in found), path


def test_each_policy_is_a_file_of_its_name() -> None:
    policies = {path.stem: content(f"policies/{path.name}") for path in (CONTAINER / "policies").iterdir()}
    assert set(policies) == {STANDARD, PORTAL.policy, FORM.policy}
    for name, policy in policies.items():
        assert policy["id"] == name and policy["org_id"] == ORG_ID
        assert policy["active"] and not policy["is_inactive"]
        assert policy["per"] == 60 and policy["quota_max"] == -1
        assert list(policy["access_rights"]) == [API_ID], "without it a key may reach everything"
    settings = ApiSettings()
    assert policies[STANDARD]["rate"] == settings.requests_per_minute, "as the API counts where there is no gateway"
    assert policies[PORTAL.policy]["rate"] == settings.session_requests_per_minute
    # Everybody's key: one client that asks without end must not use up what is for all. The API limits each address.
    assert policies[FORM.policy]["rate"] >= 60_000
    assert policies[FORM.policy]["access_rights"][API_ID]["allowed_urls"] == [{"url": "^/v1/submissions$", "methods": ["POST"]}]
    assert not any("allowed_urls" in policies[name]["access_rights"][API_ID] for name in (STANDARD, PORTAL.policy))
